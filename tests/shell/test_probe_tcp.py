"""The `tcp` check and everything connecting can meet."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import select
import socket
import time
from ipaddress import ip_address
from pathlib import Path

import pytest

from lvsha.core.health import Outcome, ProbeResult
from lvsha.core.plan import Check
from lvsha.core.probes import TcpProbe
from lvsha.probes import Prober, connection
from lvsha.probes.engine import Engine, duration
from lvsha.probes.tcp import tcp
from tests.shell.targets import probe, serving, silent, unused_port


async def test_a_target_that_accepts_passes() -> None:
    """The message says how long connecting took."""
    async with serving(silent) as port:
        result = await probe(TcpProbe(), port)
    assert result.outcome is Outcome.PASS
    assert result.message == f"connected in {duration(result.elapsed)}"
    assert abs(result.at - time.time()) < 60


async def test_ipv6_targets_are_probed_too() -> None:
    """::1 is as good as 127.0.0.1."""
    async with serving(silent, "::1") as port:
        assert (await probe(TcpProbe(), port, host="::1")).outcome is Outcome.PASS


async def test_a_refused_connection_fails() -> None:
    """Nobody listens."""
    result = await probe(TcpProbe(), unused_port())
    assert (result.outcome, result.message) == (Outcome.FAIL, "connection refused")
    assert result.refused


async def test_a_target_that_does_not_answer_times_out() -> None:
    """A full accept queue drops the SYN, as a dead machine does."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        fillers = [socket.socket(type=socket.SOCK_STREAM | socket.SOCK_NONBLOCK) for _ in range(3)]
        for filler in fillers:
            filler.connect_ex(address)
        result = await probe(TcpProbe(), address[1], timeout=0.15)
        for filler in fillers:
            filler.close()
    assert result.outcome is Outcome.FAIL
    assert result.message == "timed out after 150 ms while connecting"
    assert result.elapsed >= 0.145


async def test_a_probe_leaves_no_time_wait_behind() -> None:
    """It closes with RST: 10,000 probes a second would otherwise eat the local ports."""
    async with serving(silent) as port:
        await probe(TcpProbe(), port)
        await asyncio.sleep(0.01)
        table = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in table]
    assert [row for row in rows if f":{port:04X}" in row[1] + row[2] and row[3] == "06"] == []


@pytest.mark.parametrize(
    ("code", "outcome", "message"),
    [
        (errno.ENETUNREACH, Outcome.INCONCLUSIVE, "this machine: network is unreachable"),
        (errno.EHOSTUNREACH, Outcome.INCONCLUSIVE, "this machine: host unreachable"),
        (
            errno.EADDRNOTAVAIL,
            Outcome.INCONCLUSIVE,
            "this machine: cannot assign requested address",
        ),
        (errno.EPERM, Outcome.INCONCLUSIVE, "this machine: operation not permitted"),
        (errno.EACCES, Outcome.INCONCLUSIVE, "this machine: permission denied"),
        (errno.ENOBUFS, Outcome.INCONCLUSIVE, "this machine: no buffer space available"),
        (errno.ECONNREFUSED, Outcome.FAIL, "connection refused"),
    ],
)
async def test_an_error_at_once_is_this_machine_s(
    monkeypatch: pytest.MonkeyPatch, code: int, outcome: Outcome, message: str
) -> None:
    """No packet has left: only a refusal says something about the target."""
    monkeypatch.setattr(socket.socket, "connect_ex", lambda *_: code)
    result = await probe(TcpProbe(), 80)
    assert (result.outcome, result.message) == (outcome, message)


@pytest.mark.parametrize(
    ("code", "outcome", "message"),
    [
        (errno.EHOSTUNREACH, Outcome.FAIL, "host unreachable while connecting"),
        (errno.ENETUNREACH, Outcome.FAIL, "network is unreachable while connecting"),
        (errno.ECONNRESET, Outcome.FAIL, "connection reset while connecting"),
        (errno.ETIMEDOUT, Outcome.FAIL, "connection timed out while connecting"),
        (errno.ENOBUFS, Outcome.INCONCLUSIVE, "this machine: no buffer space available"),
    ],
)
async def test_an_error_that_came_back_is_the_network_s(
    monkeypatch: pytest.MonkeyPatch, code: int, outcome: Outcome, message: str
) -> None:
    """The SYN has left; what the kernel reports later was learnt from neighbours and routers."""

    async def ready(*_: object) -> int:
        return select.EPOLLERR | select.EPOLLHUP

    monkeypatch.setattr(connection, "ready", ready)
    monkeypatch.setattr(socket.socket, "connect_ex", lambda *_: errno.EINPROGRESS)
    monkeypatch.setattr(socket.socket, "getsockopt", lambda *_: code)
    result = await probe(TcpProbe(), 80)
    assert (result.outcome, result.message) == (outcome, message)


async def test_running_out_of_descriptors_is_inconclusive() -> None:
    """EMFILE is nothing a real server can help."""
    prober = Prober()
    results: list[ProbeResult] = []
    start = prober.prepare(Check(TcpProbe(), ip_address("127.0.0.1"), 80))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        start(results.append)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        prober.close()
    assert [(result.outcome, result.message) for result in results] == [
        (Outcome.INCONCLUSIVE, "this machine: too many open files")
    ]


async def test_what_arrived_during_a_stall_of_ours_counts() -> None:
    """Our loop looks at the clock first, past the deadlines; the targets had connected in time."""
    results: list[ProbeResult] = []
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        check = Check(TcpProbe(), ip_address("127.0.0.1"), listener.getsockname()[1])
        engine = Engine()
        flights = [engine.start(tcp(check), 0.02, results.append) for _ in range(300)]
        assert results == []
        time.sleep(0.03)
        engine.expire(flights[-1], 0.02)
        engine.close()
    assert [result.outcome for result in results] == [Outcome.PASS] * 300


async def test_a_cancelled_probe_says_nothing_and_keeps_nothing_open() -> None:
    """No result, no timer, no socket."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        prober = Prober()
        before = len(os.listdir("/proc/self/fd"))
        results: list[ProbeResult] = []
        port = listener.getsockname()[1]
        start = prober.prepare(Check(TcpProbe(), ip_address("127.0.0.1"), port, timeout=0.03))
        flight = start(results.append)
        flight.cancel()
        flight.cancel()
        assert len(os.listdir("/proc/self/fd")) == before
        await asyncio.sleep(0.06)
        prober.close()
    assert results == []


async def test_closing_drops_probes_under_way() -> None:
    """At shutdown nobody waits for a result."""
    async with serving(silent) as port:
        prober = Prober()
        results: list[ProbeResult] = []
        prober.prepare(Check(TcpProbe(), ip_address("127.0.0.1"), port))(results.append)
        prober.close()
        await asyncio.sleep(0.01)
    assert results == []


async def test_a_mistake_in_a_probe_does_not_count_against_the_target() -> None:
    """An unexpected exception is inconclusive and says itself."""

    async def attempt() -> str:
        raise ValueError("oops")

    engine = Engine()
    results: list[ProbeResult] = []
    engine.start(attempt, 1.0, results.append)
    engine.close()
    assert [(result.outcome, result.message) for result in results] == [
        (Outcome.INCONCLUSIVE, "probe broke: ValueError('oops')")
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.000123, "0.12 ms"),
        (0.00123, "1.2 ms"),
        (0.0123, "12 ms"),
        (0.8, "800 ms"),
        (1, "1 s"),
        (2.5, "2.5 s"),
    ],
)
def test_durations_are_said_as_a_person_says_them(seconds: float, text: str) -> None:
    """Milliseconds below a second, no more digits than mean something."""
    assert duration(seconds) == text
