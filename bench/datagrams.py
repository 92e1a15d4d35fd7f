"""What a UDP check costs beside a bare socket, and what pings and scripts cost.

The floor is one Python process on raw non-blocking sockets and epoll: a connected socket a check,
one datagram there and one back; no schedule, no deadline, no wish to hear of ICMP errors.
"""

from __future__ import annotations

import select
import socket
import time

import uvloop

from bench.checks import HOST, RATE, SECONDS, paced
from bench.clusters import FIRST_PORT
from bench.figures import Figure, at_most
from bench.responding import responder
from lvsha.core.probes import PingProbe, ScriptProbe, UdpProbe
from lvsha.director.descriptors import raise_descriptor_limit

SCRIPTS = 50
"""Started a second."""

PAYLOAD = b"are you there?"


def figures() -> list[Figure]:
    raise_descriptor_limit()
    with responder(RATE, program="echo.py"):
        floors = [floor(SECONDS / 2)]
        udp = uvloop.run(paced(UdpProbe(PAYLOAD, PAYLOAD)))
        floors.append(floor(SECONDS / 2))
    ping = uvloop.run(paced(PingProbe()))
    script = uvloop.run(paced(ScriptProbe(("/bin/true",)), SCRIPTS))
    ratio = udp * len(floors) / sum(floors)
    words = f"{udp * 1e6:.0f} µs, {floors[0] * 1e6:.0f} and {floors[1] * 1e6:.0f} µs"
    return [
        at_most(f"UDP checks, {RATE:,} a second: CPU over the floor's", ratio, 2, "{:.2f} times"),
        Figure("  a check, and the floor before and after", words),
        Figure(f"ping checks, {RATE:,} a second: CPU of one", f"{ping * 1e6:.0f} µs"),
        Figure(
            f"script checks, {SCRIPTS} a second: the director's CPU of one",
            f"{script * 1e6:.0f} µs",
        ),
    ]


def floor(seconds: float) -> float:
    """CPU seconds of one exchange at RATE, done with as little as possible."""
    epoll = select.epoll()
    open_sockets: dict[int, socket.socket] = {}
    total, started, done = int(RATE * seconds), 0, 0
    began, cpu = time.monotonic(), time.process_time()
    while done < total:
        due = min(total, int((time.monotonic() - began) * RATE))
        for number in range(started, due):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            sock.connect((str(HOST), FIRST_PORT + number % RATE))
            sock.send(PAYLOAD)
            open_sockets[sock.fileno()] = sock
            epoll.register(sock.fileno(), select.EPOLLIN)
        started = due
        for fd, _ in epoll.poll(0.001):
            sock = open_sockets.pop(fd)
            assert sock.recv(4096) == PAYLOAD
            sock.close()
            done += 1
    epoll.close()
    return (time.process_time() - cpu) / total
