"""One entry of the kernel's neighbour table: which MAC address a neighbour has.

Source: include/uapi/linux/rtnetlink.h and neighbour.h; asking for one entry takes Linux 5.0.
"""

from __future__ import annotations

import socket
import struct

from lvsha.core.types import Address, Family
from lvsha.kernel import netlink

_GET, _NEW = 30, 28  # RTM_GETNEIGH, RTM_NEWNEIGH
_DESTINATION, _MAC = 1, 2  # NDA_DST, NDA_LLADDR
_MESSAGE = struct.Struct("=BxxxiHBB")  # ndmsg: family, interface, state, flags, type
_MAC_LENGTH = 6
_LONGEST = 4096


class Neighbours:
    """The table of this network namespace. OSError where there is no netlink."""

    def __init__(self) -> None:
        kind = (
            socket.SOCK_RAW | socket.SOCK_NONBLOCK
        )  # the answer is there when the question is sent
        self._socket = socket.socket(socket.AF_NETLINK, kind, socket.NETLINK_ROUTE)
        self._asked = 0

    def mac(self, interface: int, address: Address) -> bytes | None:
        """Of a neighbour by that interface, if the kernel knows it now. OSError, KernelError."""
        body = _MESSAGE.pack(Family.of(address), interface, 0, 0, 0)
        body += netlink.attribute(_DESTINATION, address.packed)
        length = netlink.HEADER_LENGTH + len(body)
        self._asked = (self._asked + 1) % (1 << 32)
        header = netlink.HEADER.pack(length, _GET, netlink.REQUEST, self._asked, 0)
        self._socket.send(header + body)
        for message in netlink.messages(self._socket.recv(_LONGEST)):
            if message.type == _NEW and message.sequence == self._asked:
                found = netlink.attributes(message.body[_MESSAGE.size :]).get(_MAC, b"")
                return found if len(found) == _MAC_LENGTH else None
        return None

    def close(self) -> None:
        self._socket.close()
