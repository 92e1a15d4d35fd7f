"""What a machine of the lab hears of VRRP, each frame with the kernel's time of its arrival."""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from lvsha.lab.topology import Namespace

VRRP = 112
ETH_P_ALL = 3
IPV4, ARP = b"\x08\x00", b"\x08\x06"
SO_TIMESTAMPNS, SO_RCVBUFFORCE = 35, 33
ROOM = 16 << 20
"""Bytes: what comes in some seconds of 5,000 frames each, while nobody reads."""


@dataclass(frozen=True, slots=True)
class Advert:
    """`at` is in seconds on the clock of `time.time`."""

    at: float
    source: str
    virtual_router_id: int
    priority: int


@dataclass(frozen=True, slots=True)
class Announcement:
    """A gratuitous ARP."""

    at: float
    address: str


Heard: TypeAlias = Advert | Announcement


class Ear:
    """`hear` gives each frame once, in the order of arrival."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def hear(self) -> list[Heard]:
        """All that has arrived, without waiting."""
        return list(self._frames())

    def wait(self, what: str, fits: Callable[[Heard], bool], timeout: float) -> list[Heard]:
        """All up to the first one that fits. AssertionError after `timeout` seconds."""
        found: list[Heard] = []
        deadline = time.monotonic() + timeout
        while True:
            for heard in self._frames():
                found.append(heard)
                if fits(heard):
                    return found
            assert time.monotonic() < deadline, f"never heard: {what}"
            select.select([self._end], [], [], 0.5)

    def _frames(self) -> Iterator[Heard]:
        while True:
            try:
                frame, extra, _, _ = self._end.recvmsg(2048, 256)
            except BlockingIOError:
                return
            ((_, _, stamp),) = extra
            seconds, nanoseconds = struct.unpack("=qq", stamp)
            if heard := _understood(frame, seconds + nanoseconds * 1e-9):
                yield heard


@contextmanager
def listening(machine: Namespace) -> Iterator[Ear]:
    """An ear on the machine's first interface."""
    with machine.entered():
        end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        end.bind(("eth0", ETH_P_ALL))
    with end:
        end.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
        end.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        end.setblocking(False)
        yield Ear(end)


def lateness(times: Sequence[float], interval: float) -> list[float]:
    """How late each is on the schedule the most punctual of them draw."""
    off = [at - number * interval for number, at in enumerate(times)]
    return [each - min(off) for each in off]


def beyond(times: Sequence[float], interval: float) -> list[float]:
    """How much longer than `interval` it was from each to the next."""
    return [later - earlier - interval for earlier, later in pairwise(times)]


def _understood(frame: bytes, at: float) -> Heard | None:
    kind = frame[12:14]
    if kind == IPV4 and frame[23] == VRRP:
        message = 14 + (frame[14] & 0x0F) * 4
        source = socket.inet_ntoa(frame[26:30])
        return Advert(at, source, frame[message + 1], frame[message + 2])
    if kind == ARP and frame[28:32] == frame[38:42]:
        return Announcement(at, socket.inet_ntoa(frame[28:32]))
    return None
