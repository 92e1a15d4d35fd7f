"""Hears whether an interface brings anything somebody else sent: ARP or IP, of any kind.

What bridges say to each other on a port that does not forward yet is neither.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable

from lvsha.errors import KernelError
from lvsha.kernel.ports import Link

_ETH_P_ALL = 3  # linux/if_ether.h
_INTERNET = {0x0800, 0x0806, 0x86DD}
_FRAMES_AT_ONCE = 64


class PacketEar:
    """Calls `heard` once, in the running loop. KernelError where it can not listen."""

    def __init__(self, link: Link, heard: Callable[[], None]) -> None:
        self._heard = heard
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
        try:
            self._socket = socket.socket(socket.AF_PACKET, kind, 0)
            try:
                self._socket.bind((link.name, _ETH_P_ALL))
            except OSError:
                self._socket.close()
                raise
        except OSError as error:
            raise KernelError(error.errno or errno.EIO, f"listen on {link.name}") from error
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            with contextlib.suppress(RuntimeError):  # the loop may be closing
                asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    def _read(self) -> None:
        for _ in range(_FRAMES_AT_ONCE):
            try:
                _, (_, protocol, direction, *_) = self._socket.recvfrom(1)
            except BlockingIOError:
                return
            except OSError:  # the interface went down: whoever listens is told by its event
                return
            if protocol in _INTERNET and direction != socket.PACKET_OUTGOING:
                self.close()
                self._heard()
                return
