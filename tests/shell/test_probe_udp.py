"""The `udp` check against sockets that answer, are silent, or are not there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from lvsha.core.health import Outcome
from lvsha.core.probes import UdpProbe
from tests.shell.targets import probe

Answer = Callable[[bytes], bytes | None]


@asynccontextmanager
async def serving_udp(answer: Answer, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """A server on a free port that answers each datagram so; None: not at all."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    loop = asyncio.get_running_loop()
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((host, 0))

        def serve() -> None:
            data, sender = sock.recvfrom(65536)
            reply = answer(data)
            if reply is not None:
                sock.sendto(reply, sender)

        loop.add_reader(sock, serve)
        try:
            yield sock.getsockname()[1]
        finally:
            loop.remove_reader(sock)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_an_expected_reply_passes(host: str) -> None:
    async with serving_udp(lambda data: b"<" + data + b">", host) as port:
        result = await probe(UdpProbe(b"\x00ping", b"\x00ping>"), port, host=host)
    assert result.outcome is Outcome.PASS
    assert result.message.startswith("a reply of 7 bytes in ")


async def test_another_reply_fails_and_is_quoted() -> None:
    async with serving_udp(lambda _: b"\xffno") as port:
        result = await probe(UdpProbe(b"x", b"yes"), port)
    assert (result.outcome, result.message) == (
        Outcome.FAIL,
        r'the reply "\xffno" has no "yes" in it',
    )


async def test_silence_fails_where_a_reply_is_expected() -> None:
    async with serving_udp(lambda _: None) as port:
        result = await probe(UdpProbe(b"x", b"y"), port, timeout=0.1)
    assert (result.outcome, result.message) == (
        Outcome.FAIL,
        "timed out after 100 ms while waiting for a reply",
    )


async def test_silence_passes_where_none_is_expected() -> None:
    async with serving_udp(lambda _: None) as port:
        result = await probe(UdpProbe(b"x"), port, timeout=0.1)
    assert result.outcome is Outcome.PASS
    assert result.message.startswith("no ICMP error in 1")


async def test_any_reply_passes_at_once_where_none_is_expected() -> None:
    async with serving_udp(lambda _: b"") as port:
        result = await probe(UdpProbe(), port)
    assert result.outcome is Outcome.PASS
    assert result.message.startswith("a reply of 0 bytes in ")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("expect", [None, b"y"])
async def test_an_icmp_error_fails(host: str, expect: bytes | None) -> None:
    """Nobody listens, and the kernel over there says so."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as holder:
        holder.bind(("::", 0))
        port = holder.getsockname()[1]
    result = await probe(UdpProbe(b"x", expect), port, host=host)
    assert (result.outcome, result.message) == (Outcome.FAIL, "port unreachable")


async def test_replies_from_elsewhere_are_not_heard() -> None:
    """Only the target's datagrams count, from its very port."""
    loop = asyncio.get_running_loop()
    with (
        socket.socket(type=socket.SOCK_DGRAM) as target,
        socket.socket(type=socket.SOCK_DGRAM) as stranger,
    ):
        target.bind(("127.0.0.1", 0))

        def answer_from_elsewhere() -> None:
            stranger.sendto(b"y", target.recvfrom(100)[1])

        loop.add_reader(target, answer_from_elsewhere)
        result = await probe(UdpProbe(b"x", b"y"), target.getsockname()[1], timeout=0.1)
        loop.remove_reader(target)
    assert result.message == "timed out after 100 ms while waiting for a reply"


async def test_a_machine_without_a_way_there_is_inconclusive() -> None:
    """A broadcast address may not be sent to: nothing has left."""
    result = await probe(UdpProbe(b"x"), 9, host="255.255.255.255")
    assert (result.outcome, result.message) == (
        Outcome.INCONCLUSIVE,
        "this machine: permission denied",
    )
