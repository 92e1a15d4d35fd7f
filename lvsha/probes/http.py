"""The `http` check: one HTTP/1.1 request (RFC 9112) on a connection of its own.

It ends as soon as nothing more can change the verdict: without `contains` that is the end of the
headers. What a hostile server can make us hold is bounded by HEADER_LIMIT and BODY_LIMIT.
"""

from __future__ import annotations

import httptools

from lvsha import __version__
from lvsha.core.plan import Check
from lvsha.core.probes import HttpProbe
from lvsha.core.types import Address, endpoint
from lvsha.errors import ProbeError
from lvsha.probes.connection import connect, target
from lvsha.probes.engine import Attempt

HEADER_LIMIT = 64 * 1024
BODY_LIMIT = 1024 * 1024
"""Bytes of headers, and of body searched for `contains`."""

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


def http(check: Check) -> Attempt:
    """An attempt sends the request and reads until the verdict is certain."""
    spec = check.probe
    assert isinstance(spec, HttpProbe)
    where = target(check.address, check.port)
    message = request(spec, check.address, check.port)

    async def attempt() -> str:
        connection = await connect(where)
        answer = Answer(spec)
        try:
            await connection.send(message)
            doing = "waiting for the answer"
            while not answer.complete:
                answer.feed(await connection.receive(doing))
                doing = "reading the answer"
        finally:
            connection.close()
            answer.close()
        return answer.verdict()

    return attempt


def request(spec: HttpProbe, address: Address, port: int) -> bytes:
    """The request's bytes. The operator's headers replace ours of the same name."""
    headers = {
        "host": ("Host", spec.host or _authority(address, port)),
        "user-agent": ("User-Agent", f"lvsha/{__version__}"),
        "connection": ("Connection", "close"),
    }
    if spec.method in _WITH_BODY:
        headers["content-length"] = ("Content-Length", "0")  # RFC 9110 §8.6
    for name, _ in spec.headers:
        headers.pop(name.lower(), None)
    lines = [f"{name}: {value}" for name, value in (*headers.values(), *spec.headers)]
    return "\r\n".join([f"{spec.method} {spec.path} HTTP/1.1", *lines, "", ""]).encode()


class Answer:
    """What has been heard so far; `complete` once more bytes cannot change the verdict."""

    __slots__ = (
        "_accepted",
        "_body",
        "_heard",
        "_needle",
        "_parser",
        "_searched",
        "_spec",
        "complete",
        "found",
        "status",
    )

    def __init__(self, spec: HttpProbe) -> None:
        self._spec = spec
        self._needle = spec.contains.encode() if spec.contains is not None else None
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)  # RFC 9112 §2.2
        self._heard = 0
        self._searched = 0
        self._body: bytes | None = None
        self._accepted = False
        self.status = 0
        self.found = False
        self.complete = False

    def close(self) -> None:
        """Part from the parser, which knows us: thousands of such circles a second feed the GC."""
        del self._parser

    def feed(self, data: bytes) -> None:
        """Take some more bytes; none means the target has closed. Raises ProbeError."""
        if not data:
            self._end()
            return
        self._parse(data)
        self._heard += len(data)
        if self._body is None and not self.complete and self._heard > HEADER_LIMIT:
            raise ProbeError(f"HTTP headers longer than {HEADER_LIMIT // 1024} KiB")

    def verdict(self) -> str:
        """What was found. Raises ProbeError when it is not what is wanted."""
        status = self.status
        if not self._accepted:
            raise ProbeError(f"HTTP {status}, wanted {_ranges(self._spec.status)}")
        if self._needle is not None and not self.found:
            where = f"body of {self._searched} bytes"
            if self._searched >= BODY_LIMIT:
                where = f"first {BODY_LIMIT // 1024} KiB of the body"
            raise ProbeError(f'HTTP {status}, but "{self._spec.contains}" is not in the {where}')
        return f"HTTP {status}"

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.complete = True
        except httptools.HttpParserError as error:
            if not self.complete:
                raise ProbeError(self._broken(data, error)) from None

    def _end(self) -> None:
        if self._body is not None:
            self.complete = True
        elif self._heard:
            raise ProbeError("connection closed within the HTTP headers")
        else:
            raise ProbeError("connection closed without an answer")

    def _broken(self, data: bytes, error: Exception) -> str:
        if self._heard == 0 and not data.startswith(b"HTTP/"):
            return f'not an HTTP answer: "{_printable(data)}"'
        reason = str(error)
        return f"broken HTTP answer: {reason[:1].lower()}{reason[1:]}"

    # Called by the parser; it would swallow what they raise, so they only take notes.

    def on_headers_complete(self) -> None:
        if self.complete:
            return
        self.status = self._parser.get_status_code()
        if self.status < 200 and self.status != 101:
            return  # RFC 9110 §15.2: interim, the answer is still to come
        self._accepted = any(low <= self.status <= high for low, high in self._spec.status)
        if self._needle is None or not self._accepted or self._spec.method == "HEAD":
            self.complete = True
        else:
            self._body = b""

    def on_body(self, data: bytes) -> None:
        if self.complete or self._body is None or self._needle is None:
            return
        self._searched += len(data)
        window = self._body + data
        self.found = self._needle in window
        self._body = window[max(0, len(window) - len(self._needle) + 1) :]
        self.complete = self.found or self._searched >= BODY_LIMIT

    def on_message_complete(self) -> None:
        if self._body is not None:
            self.complete = True


def _authority(address: Address, port: int) -> str:
    text = endpoint(address, port)
    return text.removesuffix(":80") if port == 80 else text


def _ranges(status: tuple[tuple[int, int], ...]) -> str:
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in status)


def _printable(data: bytes) -> str:
    text = data[:40].decode("latin-1").encode("unicode_escape").decode("ascii")
    return text + ("…" if len(data) > 40 else "")
