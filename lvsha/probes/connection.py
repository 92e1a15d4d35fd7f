"""A TCP connection of a probe."""

from __future__ import annotations

import errno
import select
import socket
import struct
from typing import NamedTuple, Protocol

from lvsha.core.detour import Origin
from lvsha.core.plan import Check
from lvsha.probes import faults
from lvsha.probes.engine import ready
from lvsha.probes.origin import set_out

RECEIVE_SIZE = 4096
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER with time 0: close sends RST and leaves no TIME_WAIT behind, here or there."""

CONNECTING = "connecting"
"""What a probe is doing that has heard nothing at all yet."""

_FAILED = select.EPOLLERR | select.EPOLLHUP


class Target(NamedTuple):
    """Address family and socket address; `origin` None: packets leave as the routing says."""

    family: int
    address: tuple[str, int]
    origin: Origin | None = None


class Stream(Protocol):
    """A connection, bare or with TLS on it."""

    async def send(self, data: bytes) -> None: ...

    async def receive(self, doing: str) -> bytes: ...


def target(check: Check) -> Target:
    """Where a check's probes go."""
    family = socket.AF_INET if check.address.version == 4 else socket.AF_INET6
    return Target(family, (str(check.address), check.port), check.origin)


class Connection:
    """Connected by `connect`; every other error than the deadline is raised here.

    Raises ProbeError when the target or the network failed, InconclusiveError when this
    machine did.
    """

    __slots__ = ("_fd", "_socket")

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._fd = sock.fileno()

    async def send(self, data: bytes) -> None:
        """Send it all."""
        while data:
            try:
                data = data[self._socket.send(data) :]
            except BlockingIOError:
                await ready(self._fd, select.EPOLLOUT, "sending the request")
            except OSError as error:
                faults.later(error.errno, "sending the request")

    async def receive(self, doing: str) -> bytes:
        """Some bytes; none when the target has closed."""
        while True:
            await ready(self._fd, select.EPOLLIN, doing)
            try:
                return self._socket.recv(RECEIVE_SIZE)
            except BlockingIOError:
                continue
            except OSError as error:
                faults.later(error.errno, doing)

    @property
    def fd(self) -> int:
        return self._fd

    def close(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._socket.close()

    def part(self) -> None:
        """Close with FIN, for servers that complain of every RST: this leaves TIME_WAIT here."""
        self._socket.close()


async def connect(where: Target) -> Connection:
    """A connection to the target."""
    try:
        sock = socket.socket(where.family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError as error:
        faults.at_once(error.errno)
    connection = Connection(sock)
    try:
        if where.origin is not None:
            set_out(sock, where.origin)
        await _connected(sock, sock.connect_ex(where.address))
    except BaseException:
        connection.close()
        raise
    return connection


async def _connected(sock: socket.socket, code: int) -> None:
    if code == errno.EINPROGRESS:
        events = await ready(sock.fileno(), select.EPOLLOUT, CONNECTING)
        if events & _FAILED and (code := sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
            faults.later(code, CONNECTING)
    elif code in faults.NETWORK_ERRORS:
        faults.later(code, CONNECTING)
    elif code:
        faults.at_once(code)
