"""The `tcp` check that says something and expects an answer."""

from __future__ import annotations

import asyncio

import pytest

from lvsha.core.health import Outcome
from lvsha.core.probes import TcpProbe
from tests.shell.hostile import closing, dripping, endless, resetting, saying
from tests.shell.targets import Handler, probe, serving, silent

PING = TcpProbe(send=b"PING\r\n", expect=b"PONG")


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers PING with PONG and everything else with itself."""
    while line := await reader.readline():
        writer.write(b"+PONG\r\n" if line == b"PING\r\n" else line)


@pytest.mark.parametrize(
    ("spec", "handler", "message"),
    [
        (PING, echo, 'got "PONG"'),
        (TcpProbe(send=b"\0\xff\n", expect=b"\xff"), echo, r'got "\xff"'),
        (TcpProbe(expect=b"220 "), saying(b"220 mail\r\n"), 'got "220 "'),
        (TcpProbe(expect_regex=r"^220 .*ESMTP"), saying(b"220 a ESMTP\r\n"), "got a match of"),
        (TcpProbe(send=b"x"), silent, "connected"),
        (TcpProbe(expect=b"b" * 9), saying(b"a" * 16000 + b"b" * 9), 'got "bbbbbbbbb"'),
    ],
)
async def test_it_passes_on(spec: TcpProbe, handler: Handler, message: str) -> None:
    """The expected stands somewhere in what came."""
    async with serving(handler) as port:
        result = await probe(spec, port)
    assert result.outcome is Outcome.PASS
    assert result.message.startswith(message)


async def test_the_expected_may_come_in_pieces() -> None:
    async with serving(dripping(b"ab")) as port:
        result = await probe(TcpProbe(expect=b"ab"), port)
    assert result.outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("spec", "handler", "message"),
    [
        (PING, silent, 'timed out after 100 ms while waiting for "PONG", got nothing'),
        (
            PING,
            saying(b"-LOADING\r\n"),
            r'timed out after 100 ms while waiting for "PONG", got "-LOADING\r\n"',
        ),
        (PING, closing, 'connection closed, wanted "PONG", got nothing'),
        (PING, resetting, 'connection reset while waiting for "PONG"'),
        (PING, endless, f'wanted "PONG" in the first 16 KiB, got "{"a" * 40}…"'),
        (
            TcpProbe(expect_regex="(a+)+$b"),
            endless,
            f'wanted a match of "(a+)+$b" in the first 16 KiB, got "{"a" * 40}…"',
        ),
        (PING, dripping(b"+PONG"), 'timed out after 100 ms while waiting for "PONG", got "+P"'),
    ],
    ids=["silent", "wrong", "closes", "resets", "endless", "hostile to regexes", "drips"],
)  # fmt: skip
async def test_it_fails_on(spec: TcpProbe, handler: Handler, message: str) -> None:
    """The words say what was wanted and what came."""
    async with serving(handler) as port:
        result = await probe(spec, port, timeout=0.1 if "timed out" in message else 2.0)
    assert (result.outcome, result.message) == (Outcome.FAIL, message)
