"""HTTP/2 exchanges with servers that misbehave, frame by frame."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import RequestReceived
from hyperframe.frame import PingFrame

from lvsha.core.health import Outcome
from lvsha.core.probes import HttpProbe
from tests.shell.hostile import closing, resetting, saying
from tests.shell.targets import Handler, probe, serving, silent

SPEC = HttpProbe(http2=True)
Answering = Callable[[H2Connection, int], None]


def speaking(answer: Answering, after: bytes = b"", repeat: int = 1) -> Handler:
    """A server that speaks HTTP/2 up to the request, answers so, and then sends bytes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http2 = H2Connection(H2Configuration(client_side=False))
        http2.initiate_connection()
        asked = None
        while asked is None:
            for event in http2.receive_data(await reader.read(4096)):
                if isinstance(event, RequestReceived):
                    asked = event.stream_id
            writer.write(http2.data_to_send())
        answer(http2, asked)
        writer.write(http2.data_to_send())
        for _ in range(repeat):
            writer.write(after)
            await writer.drain()
        await reader.read()

    return handle


async def failure(handler: Handler, spec: HttpProbe = SPEC, timeout: float = 2.0) -> str:
    async with serving(handler) as port:
        result = await probe(spec, port, timeout)
    assert result.outcome is Outcome.FAIL, result
    return result.message


def nothing(_: H2Connection, __: int) -> None:
    pass


def begun(http2: H2Connection, stream: int) -> None:
    http2.send_headers(stream, [(":status", "200")])


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (silent, "timed out after 100 ms while waiting for the answer"),
        (resetting, "connection reset while waiting for the answer"),
        (closing, "connection closed without an HTTP/2 answer"),
        (
            saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            "the target answers in HTTP/1, not HTTP/2",
        ),
        (saying(b"SSH-2.0-OpenSSH_9.2\r\n"), r'not an HTTP/2 answer: "SSH-2.0-OpenSSH_9.2\r\n"'),
        (speaking(nothing), "timed out after 100 ms while reading the answer"),
        (
            speaking(lambda http2, _: http2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)),
            "HTTP/2 connection ended: enhance your calm",
        ),
        (
            speaking(lambda http2, stream: http2.reset_stream(stream, ErrorCodes.REFUSED_STREAM)),
            "HTTP/2 request refused: refused stream",
        ),
        (
            speaking(nothing, b"\0\0\4\3\0\0\0\0\1\0\0\1\0"),
            "HTTP/2 request refused: error 256",
        ),
        (
            speaking(nothing, b"\0\0\1\1\4\0\0\0\1\xff"),
            "broken HTTP/2 answer: error decoding header block",
        ),
        (saying(b"\0" * 100), 'not an HTTP/2 answer: "\\x00'),
    ],
    ids=[
        "silent", "resets", "closes", "speaks HTTP/1", "speaks SSH", "no answer", "goes away",
        "refuses", "unknown error", "broken headers", "zeroes",
    ],
)  # fmt: skip
async def test_it_fails_on(handler: Handler, message: str) -> None:
    """Each wrong answer has a reason a person understands."""
    found = await failure(handler, timeout=0.1 if "timed out" in message else 2.0)
    assert found.startswith(message)


async def test_endless_control_frames_are_cut_off() -> None:
    """Each ping is legal and wants an answer; 64 KiB of them are enough."""
    pings = PingFrame(opaque_data=b"12345678").serialize() * 1000
    for answer in (nothing, begun):
        message = await failure(speaking(answer, pings, 1000), HttpProbe(http2=True, contains="x"))
        assert message == "HTTP/2 headers longer than 64 KiB"


async def test_endless_header_blocks_are_cut_off() -> None:
    """A header block that never ends: CONTINUATION after CONTINUATION."""
    head, more = b"\0\0\1\1\0\0\0\0\1\x88", b"\0\x10\0\x09\0\0\0\0\1" + b"\0" * 4096
    assert (await failure(speaking(nothing, head + more * 100))).endswith("longer than 64 KiB")


async def test_interim_answers_are_passed_over() -> None:
    """103 is not the answer yet (RFC 9110 §15.2)."""

    def answer(http2: H2Connection, stream: int) -> None:
        http2.send_headers(stream, [(":status", "103"), ("link", "</x>")])
        http2.send_headers(stream, [(":status", "204")], end_stream=True)

    async with serving(speaking(answer)) as port:
        result = await probe(SPEC, port)
    assert result.message.startswith("HTTP 204 in ")


async def test_a_body_that_stops_short_is_no_answer() -> None:
    """The server hangs up within it, and HTTP/2 has an end of its own."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner = speaking(lambda h, s: (begun(h, s), h.send_data(s, b"hel"))[1])
        task = asyncio.ensure_future(inner(reader, writer))
        await asyncio.sleep(0.05)
        task.cancel()
        writer.close()

    message = await failure(handle, HttpProbe(http2=True, contains="hello"))
    assert message == "connection closed within the HTTP/2 answer"
