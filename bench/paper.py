"""An IPVS kernel on paper: the far end of a netlink socket that only answers, and takes notes.

Everything of lvsha runs up to the bytes of a send and from the bytes of an answer; what a kernel
would do with them costs nothing here, and changes nothing.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Iterable, Set
from typing import cast

from bench import told
from lvsha.core.plan import VirtualService
from lvsha.core.types import Address, Destination
from lvsha.kernel import requests
from lvsha.kernel.genetlink import Conversation
from lvsha.kernel.ipvs import KernelIpvs
from lvsha.kernel.netlink import ACK, DONE, DUMP, ERROR, GENERIC, HEADER, U32
from lvsha.kernel.nla import Cmd

FAMILY = 30
PART = 32 * 1024
"""Bytes of a dump the kernel tells at once."""


class PaperKernel:
    """Holds every server of `services` but the `absent`, whatever it is asked to change."""

    def __init__(
        self, services: Iterable[VirtualService], absent: Set[Address] = frozenset()
    ) -> None:
        listed = tuple(services)
        entries = [told.service(each.service) for each in listed]
        self._dumps = {requests.get_services(): _messages(Cmd.NEW_SERVICE, entries)}
        for each in listed:
            entries = [
                told.destination(Destination(server.key, server.forwarding, server.weight))
                for server in each.real_servers
                if server.address not in absent
            ]
            key = requests.get_destinations(each.key)
            self._dumps[key] = _messages(Cmd.NEW_DEST, entries)
        self._waiting: deque[bytes | bytearray] = deque()
        self.tables_read = 0
        self.sent: list[tuple[float, bytes]] = []
        """The sends that were to change something, each with this process's CPU time then."""

    def ipvs(self) -> KernelIpvs:
        """What speaks to this kernel."""
        conversation = Conversation()
        conversation.close()
        conversation._socket = cast(socket.socket, self)
        return KernelIpvs(conversation, FAMILY)

    def send(self, data: bytes) -> None:
        _, _, flags, sequence, _ = HEADER.unpack_from(data)
        if flags & DUMP == DUMP:
            self.tables_read += data[16:] == requests.get_services()
            self._waiting += [_numbered(part, sequence) for part in self._dumps[data[16:]]]
            end = HEADER.pack(HEADER.size + 4, DONE, 2, sequence, 0) + U32.pack(0)
            self._waiting.append(end)
            return
        self.sent.append((time.process_time(), data))
        last = data[-HEADER.size :]
        _, _, flags, sequence, _ = HEADER.unpack(last)
        assert flags & ACK
        self._waiting.append(
            HEADER.pack(HEADER.size + 20, ERROR, 0x100, sequence, 0) + U32.pack(0) + last
        )

    def recv_into(self, buffer: memoryview, _size: int, _flags: int) -> int:
        part = self._waiting.popleft()
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        """Nothing to give back."""


def _messages(command: Cmd, entries: list[bytes]) -> list[bytearray]:
    """A dump in the parts the kernel would send, their sequence numbers still open."""
    parts = [bytearray()]
    for entry in entries:
        body = GENERIC.pack(command, 1, 0) + entry
        if len(parts[-1]) + HEADER.size + len(body) > PART:
            parts.append(bytearray())
        parts[-1] += HEADER.pack(HEADER.size + len(body), FAMILY, 2, 0, 0) + body
    return parts


def _numbered(part: bytearray, sequence: int) -> bytearray:
    """All entries of one dump are of one length but for services' names: walk the headers."""
    offset = 0
    while offset < len(part):
        length, *_ = U32.unpack_from(part, offset)
        U32.pack_into(part, offset + 8, sequence)
        offset += length
    return part
