"""Who answers on a link for an address that is another's: ARP, neighbour discovery.

Each machine is asked alone, so that no question costs the whole link anything. Answers come to one
socket a link and family, and are read when somebody wants to know. The kernel's own tables do not
change by any of it.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import time
from contextlib import suppress
from typing import NamedTuple

from lvsha.core.asking import answered, question_alone
from lvsha.core.frames import ADVERTISEMENT, ETHERTYPE_ARP, ETHERTYPE_IPV6, ICMPV6
from lvsha.core.types import Address, Family
from lvsha.errors import KernelError
from lvsha.kernel.neighbours import Neighbours

_ATTACH_FILTER = 26  # SO_ATTACH_FILTER, asm-generic/socket.h
_INSTRUCTION = struct.Struct("=HBBI")  # sock_filter: code, jump if true, if false, operand
_LOAD_BYTE, _LOAD_HALF, _JUMP_IF_EQUAL, _RETURN = 0x30, 0x28, 0x15, 0x06
_LONGEST = 128
_AT_ONCE = 256
"""Answers read in one go: whoever floods the link does not hold us up."""

_ANSWERS = {
    Family.IPV4: (
        ETHERTYPE_ARP,
        (
            (_LOAD_HALF, 0, 0, 6),
            (_JUMP_IF_EQUAL, 0, 1, 2),
            (_RETURN, 0, 0, _LONGEST),
            (_RETURN, 0, 0, 0),
        ),
    ),
    Family.IPV6: (
        ETHERTYPE_IPV6,
        (
            (_LOAD_BYTE, 0, 0, 6),
            (_JUMP_IF_EQUAL, 0, 3, ICMPV6),
            (_LOAD_BYTE, 0, 0, 40),
            (_JUMP_IF_EQUAL, 0, 1, ADVERTISEMENT),
            (_RETURN, 0, 0, _LONGEST),
            (_RETURN, 0, 0, 0),
        ),
    ),
}
"""What is heard, and a filter that lets only answers by: a director's link carries much else."""


class Question(NamedTuple):
    """What a machine was asked, and when by the monotonic clock."""

    link: str
    mac: bytes
    address: Address
    asked: float


class LinkClaims:
    """The links of this network namespace."""

    def __init__(self) -> None:
        self._ears: dict[tuple[str, Family], socket.socket] = {}
        self._heard: dict[tuple[str, bytes, Address], float] = {}
        self._neighbours: Neighbours | None = None

    def ask(self, link: str, server: Address, address: Address, source: Address) -> Question | None:
        """Ask a server, from our address `source`, whether it has the address.

        None where it can't be asked: the kernel does not know it on this link, or does not let us.
        """
        where = link, Family.of(address)
        try:
            if where not in self._ears:
                self._ears[where] = _ear(*where)
            ear = self._ears[where]
            name, ethertype, _, _, own = ear.getsockname()
            if name != link:  # it was made anew since
                self._ears.pop(where).close()
                return None
            mac = self._mac(link, server)
            if mac is None:
                return None
            ear.sendto(question_alone(own, address, source), (link, ethertype, 0, 0, mac))
        except (OSError, KernelError):
            return None
        self._heard.setdefault((link, mac, address), 0.0)
        return Question(link, mac, address, time.monotonic())

    def has_answered(self, question: Question) -> bool:
        """Whether it has said since then that the address is its own."""
        where = question.link, Family.of(question.address)
        if where in self._ears:
            self._hear(question.link, self._ears[where])
        return self._heard.get(question[:3], 0.0) >= question.asked

    def close(self) -> None:
        for ear in self._ears.values():
            ear.close()
        self._ears.clear()
        if self._neighbours is not None:
            self._neighbours.close()

    def _mac(self, link: str, server: Address) -> bytes | None:
        if self._neighbours is None:
            self._neighbours = Neighbours()
        return self._neighbours.mac(socket.if_nametoindex(link), server)

    def _hear(self, link: str, ear: socket.socket) -> None:
        """Note the answers that have come in from those who were ever asked."""
        with suppress(OSError):  # nothing left, or the link is gone
            for _ in range(_AT_ONCE):
                packet, (*_, mac) = ear.recvfrom(_LONGEST)
                address = answered(packet)
                if address is not None and (link, mac, address) in self._heard:
                    self._heard[link, mac, address] = time.monotonic()


def _ear(link: str, family: Family) -> socket.socket:
    """A socket that hears the answers on a link. OSError where there is no such link."""
    ethertype, program = _ANSWERS[family]
    ear = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0)
    try:
        code = b"".join(_INSTRUCTION.pack(*each) for each in program)
        kept = ctypes.create_string_buffer(code)
        attached = struct.pack("@HP", len(program), ctypes.addressof(kept))
        ear.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, attached)
        ear.bind((link, ethertype))
    except OSError:
        ear.close()
        raise
    return ear
