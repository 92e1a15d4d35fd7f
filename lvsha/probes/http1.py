"""An exchange over HTTP/1.1 (RFC 9112)."""

from __future__ import annotations

import httptools

from lvsha.errors import ProbeError
from lvsha.probes.answer import HEADER_LIMIT, Answer
from lvsha.probes.connection import Stream
from lvsha.probes.faults import excerpt
from lvsha.probes.request import Exchange, Request


def http1(request: Request) -> Exchange:
    """What sends the request and reads until the verdict is certain."""
    message = request.encoded()

    async def exchange(stream: Stream, answer: Answer) -> None:
        parser = Parser(answer)
        try:
            await stream.send(message)
            doing = "waiting for the answer"
            while not answer.complete:
                parser.feed(await stream.receive(doing))
                doing = "reading the answer"
        finally:
            parser.close()

    return exchange


class Parser:
    """Takes an answer's bytes apart. What a hostile server can make it hold is bounded."""

    __slots__ = ("_answer", "_heard", "_location", "_parser", "on_header")

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._heard = 0
        self._location: str | None = None
        if answer.follows:
            self.on_header = self._on_header
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)  # RFC 9112 §2.2

    def close(self) -> None:
        """Part from the parser, which knows us: thousands of such circles a second feed the GC."""
        del self._parser
        if self._answer.follows:
            del self.on_header

    def feed(self, data: bytes) -> None:
        """Take some more bytes; none means the target has closed. Raises ProbeError."""
        if not data:
            self._end()
            return
        self._parse(data)
        self._heard += len(data)
        answer = self._answer
        if not answer.reading and not answer.complete and self._heard > HEADER_LIMIT:
            raise ProbeError(f"HTTP headers longer than {HEADER_LIMIT // 1024} KiB")

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._answer.complete = True
        except httptools.HttpParserError as error:
            if not self._answer.complete:
                raise ProbeError(self._broken(data, error)) from None

    def _end(self) -> None:
        if self._answer.reading:
            self._answer.end()
        elif self._heard:
            raise ProbeError("connection closed within the HTTP headers")
        else:
            raise ProbeError("connection closed without an answer")

    def _broken(self, data: bytes, error: Exception) -> str:
        if self._heard == 0 and not data.startswith(b"HTTP/"):
            return f'not an HTTP answer: "{excerpt(data)}"'
        reason = str(error)
        return f"broken HTTP answer: {reason[:1].lower()}{reason[1:]}"

    # Called by the parser; it would swallow what they raise, so they only take notes.

    def _on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"location":
            self._location = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._answer.complete:
            return
        status = self._parser.get_status_code()
        if status < 200 and status != 101:
            self._location = None
            return  # RFC 9110 §15.2: interim, the answer is still to come
        self._answer.headers(status, self._location)

    def on_body(self, data: bytes) -> None:
        self._answer.body(data)

    def on_message_complete(self) -> None:
        self._answer.end()
