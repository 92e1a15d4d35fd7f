"""What a health check costs, beside the least it could cost, measured in the same run.

The floor is one Python process on raw non-blocking sockets and epoll: connect, and for HTTP send
a fixed request, read once and look at the first bytes; no schedule, no parser, no deadline.
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
import time
from collections import deque
from ipaddress import ip_address

import uvloop

from bench.clusters import FIRST_PORT
from bench.figures import Figure, at_most, quantile
from bench.responding import responder
from lvsha.core.plan import Check
from lvsha.core.probes import HttpProbe, Probe, TcpProbe
from lvsha.director.checker import Checkers
from lvsha.director.descriptors import raise_descriptor_limit
from lvsha.probes import Prober

HOST = ip_address("127.0.0.1")
RATE = 3000
SECONDS = 10
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:20000\r\nConnection: close\r\n\r\n"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def figures() -> list[Figure]:
    raise_descriptor_limit()
    with responder(10_000):
        found = beside_floor("HTTP", HttpProbe()) + beside_floor("TCP", TcpProbe())
        return found + uvloop.run(many())


def beside_floor(name: str, probe: Probe) -> list[Figure]:
    """One check's cost, between two measurements of the floor."""
    floors = [floor(name == "HTTP", SECONDS / 2)]
    ours = uvloop.run(paced(probe))
    floors.append(floor(name == "HTTP", SECONDS / 2))
    ratio = ours * len(floors) / sum(floors)
    words = f"{ours * 1e6:.0f} µs, {floors[0] * 1e6:.0f} and {floors[1] * 1e6:.0f} µs"
    return [
        at_most(
            f"{name} checks, {RATE:,} a second: CPU over the floor's", ratio, 2, "{:.2f} times"
        ),
        Figure("  a check, and the floor before and after", words),
    ]


async def paced(probe: Probe, rate: int = RATE) -> float:
    """CPU seconds a check of Checkers takes at so many a second, after a first round."""
    checks = [Check(probe, HOST, FIRST_PORT + n, interval=1) for n in range(rate)]
    checkers = Checkers(Prober(), lambda *_: None, raise_descriptor_limit())
    checkers.update(checks)
    await asyncio.sleep(2)
    counters = checkers.counters
    began, before = time.process_time(), counters.passed
    await asyncio.sleep(SECONDS)
    cpu, done = time.process_time() - began, counters.passed - before
    assert counters.failed == counters.inconclusive == 0, counters
    await checkers.close()
    return cpu / done


def floor(http: bool, seconds: float) -> float:
    """CPU seconds of one check at RATE, done with as little as possible."""
    epoll = select.epoll()
    open_sockets: dict[int, socket.socket] = {}
    total, started, done = int(RATE * seconds), 0, 0
    began, cpu = time.monotonic(), time.process_time()
    while done < total:
        due = min(total, int((time.monotonic() - began) * RATE))
        for number in range(started, due):
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
            sock.connect_ex((str(HOST), FIRST_PORT + number % RATE))
            open_sockets[sock.fileno()] = sock
            epoll.register(sock.fileno(), select.EPOLLOUT)
        started = due
        for fd, events in epoll.poll(0.001):
            sock = open_sockets[fd]
            if events & select.EPOLLOUT:
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
                if http:
                    sock.send(REQUEST)
                    epoll.modify(fd, select.EPOLLIN)
                    continue
            else:
                assert sock.recv(4096).startswith(b"HTTP/1.1 200")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            sock.close()
            del open_sockets[fd]
            done += 1
    epoll.close()
    return (time.process_time() - cpu) / total


async def many() -> list[Figure]:
    """10,000 servers at 5 s: the first verdicts, then lateness over two rounds."""
    checks = [Check(HttpProbe(), HOST, FIRST_PORT + n, interval=5) for n in range(10_000)]
    checkers = Checkers(Prober(), lambda *_: None, raise_descriptor_limit())
    began = time.monotonic()
    checkers.update(checks)
    while not checkers.decided:
        await asyncio.sleep(0.01)
    first = time.monotonic() - began
    checkers.counters.lateness = deque()
    await asyncio.sleep(12 - first)
    late = list(checkers.counters.lateness)
    results = checkers.counters
    await checkers.close()
    assert results.failed == 0, results
    return [
        at_most("10,000 HTTP checks at 5 s: all decided after", first, 7, "{:.1f} s"),
        at_most("  starts late, p99", quantile(late, 0.99) * 1e3, 100, "{:.1f} ms"),
    ]
