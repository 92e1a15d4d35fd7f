"""Every advertisement on a bridge, with the time at which the kernel saw it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from lvsha.lab.topology import Namespace

SO_RCVBUFFORCE, SO_TIMESTAMPNS = 33, 35  # asm-generic/socket.h
ETH_P_ALL = 3
BUFFER = 64 << 20


@dataclass(frozen=True)
class Heard:
    """An advertisement: seconds since the epoch, whose, what it says."""

    at: float
    source: str
    virtual_router_id: int
    priority: int


class Capture:
    """`heard` grows until `stop`. The kernel's time stamps: our own lateness is in none of them."""

    def __init__(self, bridge: Namespace) -> None:
        self.heard: list[Heard] = []
        with bridge.entered():
            end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._end = end
        end.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        end.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        with bridge.entered():
            end.bind(("br0", ETH_P_ALL))
        end.settimeout(0.1)
        self._over = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over = True
        self._thread.join()
        self._end.close()

    def since(self, moment: float, source: str = "") -> list[Heard]:
        """What came after that, from everybody or from one address."""
        heard = tuple(self.heard)
        return [each for each in heard if each.at > moment and source in ("", each.source)]

    def longest_gap(self, priority: int, number: int) -> float:
        """Seconds between two advertisements of a router by the node of this priority, at most."""
        told = (priority, number)
        times = [each.at for each in tuple(self.heard)
                 if (each.priority, each.virtual_router_id) == told]  # fmt: skip
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)

    def _listen(self) -> None:
        while not self._over:
            with contextlib.suppress(TimeoutError):
                data, extra, _, _ = self._end.recvmsg(2048, 256)
                if found := _read(data, _stamp(extra)):
                    self.heard.append(found)


@contextlib.contextmanager
def captured(bridge: Namespace) -> Iterator[Capture]:
    capture = Capture(bridge)
    try:
        yield capture
    finally:
        capture.stop()


def _stamp(extra: list[tuple[int, int, bytes]]) -> float:
    for level, kind, data in extra:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("qq", data)
            return seconds + nanoseconds / 1e9
    return time.time()


def _read(frame: bytes, at: float) -> Heard | None:
    if frame[12:14] == b"\x08\x00" and frame[23] == 112:
        source, message = socket.inet_ntop(socket.AF_INET, frame[26:30]), frame[34:]
    elif frame[12:14] == b"\x86\xdd" and frame[20] == 112:
        source, message = socket.inet_ntop(socket.AF_INET6, frame[22:38]), frame[54:]
    else:
        return None
    return Heard(at, source, message[1], message[2])
