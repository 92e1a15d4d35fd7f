"""One exchange over HTTP/2 (RFC 9113) on a connection of its own, for `http` and `grpc` checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from lvsha.errors import ProbeError
from lvsha.probes.answer import Answer
from lvsha.probes.connection import Stream
from lvsha.probes.faults import excerpt
from lvsha.probes.request import Exchange, Request

OVERHEAD_LIMIT = 64 * 1024
"""Bytes of headers and control frames: more of them is an attack on whoever reads them."""

FRAME_HEADER = 9
SETTINGS = 0x4
"""Bytes of a frame's header, and a frame's type (RFC 9113 §4.1, §6.5)."""

_STREAM = 1
_CONFIG = H2Configuration(client_side=True)
_SETTINGS = {SettingCodes.ENABLE_PUSH: 0, SettingCodes.MAX_HEADER_LIST_SIZE: OVERHEAD_LIMIT}

Fields: TypeAlias = Sequence[tuple[str, str]]
Hear: TypeAlias = Callable[[Event], bool]
"""Told what arrives; true once it has heard enough."""


def http2(request: Request) -> Exchange:
    """What sends the request and reads until the verdict is certain."""
    fields = request.header_list()

    async def exchange(stream: Stream, answer: Answer) -> None:
        def hear(event: Event) -> bool:
            match event:
                case ResponseReceived():
                    found = dict(event.headers)
                    location = found.get(b"location")
                    status = int(found[b":status"])
                    answer.headers(status, location.decode("latin-1") if location else None)
                case DataReceived():
                    answer.body(event.data)
                case StreamEnded():
                    answer.end()
                case _:
                    pass
            return answer.complete

        await converse(stream, fields, request.body, hear)

    return exchange


async def converse(stream: Stream, fields: Fields, body: bytes, hear: Hear) -> None:
    """Send a request and tell `hear` of the answer. ProbeError where there is none."""
    exchange = _Exchange(hear)
    await stream.send(exchange.opening(fields, body))
    doing = "waiting for the answer"
    while not exchange.over:
        reply = exchange.feed(await stream.receive(doing))
        if reply:
            await stream.send(reply)
        doing = "reading the answer"


class _Exchange:
    """Bytes in, bytes out."""

    __slots__ = ("_answered", "_hear", "_http2", "_overhead", "_preface", "over")

    def __init__(self, hear: Hear) -> None:
        self._http2 = H2Connection(_CONFIG)
        self._hear = hear
        self._overhead = 0
        self._answered = False
        self._preface: bytes | None = b""
        self.over = False

    def opening(self, fields: Fields, body: bytes) -> bytes:
        """Preface, settings and the whole request; a body fits into one frame (RFC 9113 §6.5.2)."""
        http2 = self._http2
        http2.local_settings = Settings(client=True, initial_values=_SETTINGS)
        http2.initiate_connection()
        http2.send_headers(_STREAM, fields, end_stream=not body)
        if body:
            http2.send_data(_STREAM, body, end_stream=True)
        return http2.data_to_send()

    def feed(self, data: bytes) -> bytes:
        """Take what has arrived, none at the end; returns what is to be sent. Raises ProbeError."""
        if not data:
            place = "within the" if self._answered else "without an"
            raise ProbeError(f"connection closed {place} HTTP/2 answer")
        self._overhead += len(data)
        self._check_preface(data)
        for event in self._events(data):
            self._take(event)
            if self.over:
                return b""
        if self._overhead > OVERHEAD_LIMIT:
            raise ProbeError(f"HTTP/2 headers longer than {OVERHEAD_LIMIT // 1024} KiB")
        return self._http2.data_to_send()

    def _check_preface(self, data: bytes) -> None:
        """RFC 9113 §3.4: a server's first frame is SETTINGS. h2 would wait for the whole of any."""
        if self._preface is None:
            return
        self._preface += data[: FRAME_HEADER - len(self._preface)]
        if len(self._preface) < FRAME_HEADER:
            return
        if self._preface.startswith(b"HTTP/1"):
            raise ProbeError("the target answers in HTTP/1, not HTTP/2")
        if self._preface[0] or self._preface[3] != SETTINGS:
            raise ProbeError(f'not an HTTP/2 answer: "{excerpt(data)}"')
        self._preface = None

    def _events(self, data: bytes) -> list[Event]:
        try:
            return self._http2.receive_data(data)
        except ProtocolError as error:
            raise ProbeError(f"broken HTTP/2 answer: {_reason(error)}") from None

    def _take(self, event: Event) -> None:
        match event:
            case ConnectionTerminated():
                raise ProbeError(f"HTTP/2 connection ended: {_words(event.error_code)}")
            case StreamReset():
                raise ProbeError(f"HTTP/2 request refused: {_words(event.error_code)}")
            case DataReceived():
                size = event.flow_controlled_length
                self._overhead -= size
                self._http2.acknowledge_received_data(size, _STREAM)
            case ResponseReceived():
                self._answered = True
            case _:
                pass
        self.over = self._hear(event)


def _words(code: ErrorCodes | int | None) -> str:
    """`PROTOCOL_ERROR` as words, or the number of a code nobody knows."""
    return code.name.lower().replace("_", " ") if isinstance(code, ErrorCodes) else f"error {code}"


def _reason(error: ProtocolError) -> str:
    text = str(error).rstrip(".") or type(error).__name__
    return text[:1].lower() + text[1:100]
