"""The `ping` check over raw sockets."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsha.core.health import Outcome
from lvsha.core.internet import verifies
from lvsha.core.probes import PingProbe
from lvsha.probes import ping
from tests.shell.targets import probe


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw sockets, whatever else this process may have; `tests/netns` has the others."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    except PermissionError:
        pytest.skip("no raw sockets for this process")
    monkeypatch.setattr(ping, "_allowed", lambda *_: socket.SOCK_RAW)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.usefixtures("raw")
async def test_a_target_that_replies_passes(host: str) -> None:
    result = await probe(PingProbe(), 0, host=host)
    assert result.outcome is Outcome.PASS
    assert result.message.startswith("echo reply in ")


@pytest.mark.usefixtures("raw")
async def test_a_reply_that_never_comes_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A packet that is no request gets no reply."""
    monkeypatch.setattr(ping, "_request", lambda *_: b"\x08\x01" + bytes(6))
    result = await probe(PingProbe(), 0, timeout=0.1)
    assert result.outcome is Outcome.FAIL
    assert result.message == "timed out after 100 ms while waiting for the echo reply"


@given(payload=st.binary(min_size=16, max_size=16), noise=st.binary(max_size=64))
def test_only_the_very_reply_is_taken(payload: bytes, noise: bytes) -> None:
    """Other bytes, other payloads and our own request are somebody else's."""
    icmp = ping._ICMP[socket.AF_INET]
    request = ping._request(icmp, 7, payload)
    assert verifies(request)
    assert not ping._is_reply(request, icmp.reply, payload)
    assert not ping._is_reply(noise, icmp.reply, payload)
    reply = b"\0\0" + request[2:]
    assert ping._is_reply(reply, icmp.reply, payload)
    assert not ping._is_reply(reply, icmp.reply, bytes(reversed(payload)) + b"x")


@pytest.mark.usefixtures("raw")
async def test_an_address_nobody_can_reach_from_here_is_inconclusive() -> None:
    result = await probe(PingProbe(), 0, host="255.255.255.255")
    assert (result.outcome, result.message) == (
        Outcome.INCONCLUSIVE,
        "this machine: permission denied",
    )
