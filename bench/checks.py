"""What a health check costs, beside the least it could cost, measured in the same run.

The floor is one Python process on raw non-blocking sockets and epoll: connect, and for HTTP send
a fixed request, read once and look at the first bytes; no schedule, no parser, no deadline.
"""

from __future__ import annotations

import asyncio
import resource
import select
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import uvloop

from lvsha.core.plan import Check
from lvsha.core.probes import HttpProbe, Probe, TcpProbe
from lvsha.director.checker import Checkers
from lvsha.director.descriptors import raise_descriptor_limit
from lvsha.probes import Prober

HOST = ip_address("127.0.0.1")
FIRST_PORT = 20_000
RATE = 3000
SECONDS = 10
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:20000\r\nConnection: close\r\n\r\n"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def main() -> None:
    raise_descriptor_limit()
    with responder(10_000):
        for name, probe in (("HTTP", HttpProbe()), ("TCP", TcpProbe())):
            floors = [floor(name == "HTTP", SECONDS / 2)]
            ours = uvloop.run(paced(probe))
            floors.append(floor(name == "HTTP", SECONDS / 2))
            least = sum(floors) / 2
            print(
                f"{name} check, {RATE} a second: {ours * 1e6:.0f} µs of CPU; raw-socket floor "
                f"{floors[0] * 1e6:.0f} and {floors[1] * 1e6:.0f} µs; ratio {ours / least:.2f} "
                "(at most 2)"
            )
        uvloop.run(many())


@contextmanager
def responder(count: int) -> Iterator[None]:
    """A server on `count` ports in a process of its own."""
    program = Path(__file__).with_name("responder.py")
    command = [sys.executable, str(program), str(FIRST_PORT), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        yield
        process.stdin.close()


async def paced(probe: Probe) -> float:
    """CPU seconds a check of Checkers at RATE takes, after a first round."""
    checks = [Check(probe, HOST, FIRST_PORT + n, interval=1) for n in range(RATE)]
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


async def many() -> None:
    """10,000 servers at 5 s: the first verdicts, then lateness over two rounds."""
    checks = [Check(HttpProbe(), HOST, FIRST_PORT + n, interval=5) for n in range(10_000)]
    checkers = Checkers(Prober(), lambda *_: None, raise_descriptor_limit())
    checkers.counters.lateness = deque()
    began = time.monotonic()
    checkers.update(checks)
    while not checkers.decided:
        await asyncio.sleep(0.01)
    first = time.monotonic() - began
    await asyncio.sleep(12 - first)
    late = sorted(checkers.counters.lateness)
    results = checkers.counters
    await checkers.close()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"10,000 HTTP checks at 5 s: all decided after {first:.2f} s (at most 7); starts late p99 "
        f"{late[int(len(late) * 0.99)] * 1e3:.1f} ms, max {late[-1] * 1e3:.1f} ms (p99 at most "
        f"100); {results.passed} passed, {results.failed} failed; {memory:.0f} MB"
    )


if __name__ == "__main__":
    main()
