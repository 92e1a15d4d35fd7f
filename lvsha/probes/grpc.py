"""The `grpc` check: one call of grpc.health.v1.Health/Check.

gRPC over HTTP/2: a length-prefixed message each way, the verdict of the call in trailers.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, TrailersReceived

from lvsha import __version__
from lvsha.core.grpc_health import SERVING, STATUSES, question, status
from lvsha.core.plan import Check
from lvsha.core.probes import GrpcProbe
from lvsha.core.types import endpoint
from lvsha.errors import ProbeError
from lvsha.probes.connection import Stream, connect, target
from lvsha.probes.engine import Attempt
from lvsha.probes.http2 import converse

MESSAGE_LIMIT = 4096
"""Bytes of an answer: a status takes two."""

_CODES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
    "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
    "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip


def grpc(check: Check) -> Attempt:
    """An attempt asks for the health of the service."""
    spec = check.probe
    assert isinstance(spec, GrpcProbe)
    where = target(check)
    speaker = None
    if spec.tls is not None:
        from lvsha.probes.secure import Tls

        speaker = Tls(spec.tls, str(check.address), ("h2",))
    authority = spec.tls.sni if spec.tls and spec.tls.sni else endpoint(check.address, check.port)
    fields = _fields(authority, "https" if spec.tls else "http")
    message = question(spec.service)

    async def attempt() -> str:
        answer = _Answer(spec.service)
        connection = await connect(where)
        try:
            stream: Stream = connection
            if speaker is not None:
                stream = secured = await speaker.over(connection)
            await converse(stream, fields, message, answer.hear)
            verdict = answer.verdict()
            if speaker is not None:
                speaker.keep(secured)
        finally:
            connection.close()
        return verdict

    return attempt


def _fields(authority: str, scheme: str) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", scheme),
        (":authority", authority),
        (":path", "/grpc.health.v1.Health/Check"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", f"lvsha/{__version__}"),
    ]


class _Answer:
    """What has been heard of the call."""

    __slots__ = ("_body", "_code", "_message", "_service", "_status")

    def __init__(self, service: str) -> None:
        self._service = service
        self._status = 0
        self._body = b""
        self._code: str | None = None
        self._message = ""

    def hear(self, event: Event) -> bool:
        match event:
            case ResponseReceived() | TrailersReceived():
                self._take(dict(event.headers))
            case DataReceived():
                self._body += event.data
                if len(self._body) > MESSAGE_LIMIT:
                    raise ProbeError(f"a gRPC answer longer than {MESSAGE_LIMIT} bytes")
            case StreamEnded():
                return True
            case _:
                pass
        return False

    def verdict(self) -> str:
        """SERVING. Raises ProbeError where it is anything else."""
        if self._status != 200:
            raise ProbeError(f"HTTP {self._status}, not a gRPC answer")
        if self._code != "0":
            raise ProbeError(self._refusal())
        try:
            found = status(self._body)
        except ValueError as error:
            raise ProbeError(f"broken gRPC answer: {error}") from None
        if found != SERVING:
            who = f'service "{self._service}"' if self._service else "the server"
            raise ProbeError(f"{who} is {STATUSES.get(found, f'in state {found}')}")
        return "SERVING"

    def _take(self, fields: dict[bytes, bytes]) -> None:
        if b":status" in fields:
            self._status = int(fields[b":status"])
        if b"grpc-status" in fields:
            self._code = _text(fields[b"grpc-status"])
            self._message = _text(fields.get(b"grpc-message", b""))

    def _refusal(self) -> str:
        if self._code is None:
            return "an HTTP/2 answer without a gRPC status"
        if self._code == "5":
            return f'service "{self._service}" is unknown to the server'
        if self._code == "12":
            return "the server has no grpc.health.v1.Health"
        number = int(self._code) if self._code.isdecimal() else len(_CODES)
        code = _CODES[number] if number < len(_CODES) else self._code
        return f"gRPC status {code}" + (f": {self._message}" if self._message else "")


def _text(value: bytes) -> str:
    """A field of a server's, percent-decoded, short and printable."""
    text = unquote(value.decode("latin-1"), errors="replace")
    return re.sub(r"[^ -~]", "?", text)[:100]
