"""A datagram socket of a probe, connected to its target: ICMP errors come back as failures."""

from __future__ import annotations

import errno
import select
import socket

from lvsha.errors import InconclusiveError, ProbeError
from lvsha.probes import faults
from lvsha.probes.connection import Target
from lvsha.probes.engine import ready
from lvsha.probes.origin import set_out

LARGEST = 65_535
"""Bytes of a datagram."""

_IP_RECVERR = 11
_IPV6_RECVERR = 25
"""linux/in.h, linux/in6.h: report every ICMP error, the passing ones too."""


class Datagrams:
    """Opened by `open_datagrams`; raises as a Connection does."""

    __slots__ = ("_fd", "_socket")

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._fd = sock.fileno()

    def send(self, data: bytes) -> None:
        try:
            self._socket.send(data)
        except OSError as error:
            faults.at_once(error.errno)

    async def receive(self, doing: str) -> bytes:
        """The next datagram."""
        while True:
            await ready(self._fd, select.EPOLLIN, doing)
            try:
                return self._socket.recv(LARGEST)
            except BlockingIOError:
                continue
            except OSError as error:
                if error.errno == errno.ECONNREFUSED:
                    raise ProbeError("port unreachable") from None
                faults.later(error.errno, doing)

    def close(self) -> None:
        self._socket.close()


def open_datagrams(where: Target, kind: int = socket.SOCK_DGRAM, protocol: int = 0) -> Datagrams:
    """A socket that hears nobody but the target. InconclusiveError where there can be none."""
    try:
        sock = socket.socket(where.family, kind | socket.SOCK_NONBLOCK, protocol)
    except OSError as error:
        faults.at_once(error.errno)
    try:
        if where.origin is not None:
            set_out(sock, where.origin)
        if where.family == socket.AF_INET:
            sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        else:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
        sock.connect(where.address)
    except OSError as error:
        sock.close()
        faults.at_once(error.errno)
    except InconclusiveError:
        sock.close()
        raise
    return Datagrams(sock)
