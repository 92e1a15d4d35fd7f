"""How a probe's packets leave, and the way to a virtual address by one server alone.

Laws of this file: a detour's firewall mark is the same on every node and after every reload, so
that a table found in the kernel is the table wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from zlib import crc32

from lvsha.core.types import Address, Forwarding, Tunnel

FIRST_MARK = 0x4C000000
"""Marks of detours are the 2^24 from here on; the first byte is an L."""

_SPAN = 1 << 24


@dataclass(frozen=True, slots=True)
class Detour:
    """A server, and how packets reach it.

    What the node adds: answers come in by `interface`, and the virtual address lives on `link`.
    """

    server: Address
    forwarding: Forwarding
    tunnel: Tunnel = field(default=Tunnel())
    interface: str = ""
    link: str = ""

    @property
    def way(self) -> str:
        """What tells it from others: the same for every virtual address of a server."""
        tunnel = self.tunnel
        return f"{self.server} {self.forwarding} {tunnel.type} {tunnel.port} {tunnel.flags}"

    @property
    def hops(self) -> int | None:
        """How far its packets live; None: as usual.

        A server on the link that lacks the address and forwards would send them on to the master,
        which would balance them: one hop less than that takes. It suffices for a server that
        passes them to a container of its own. A tunnel's outer packets inherit it (ip_vs_xmit.c).
        """
        return 3 if self.forwarding is Forwarding.DR else None


@dataclass(frozen=True, slots=True)
class Origin:
    """How a probe's packets leave: from which address, by which interface, with which fwmark.

    With a `detour`, no source means the address from which the kernel would ask its server.
    """

    source: Address | None = None
    device: str | None = None
    mark: int = 0
    detour: Detour | None = None


def marks(detours: Iterable[Detour], taken: Set[int]) -> dict[str, int]:
    """A mark for each way, none of those `taken`."""
    found: dict[str, int] = {}
    used = set(taken)
    for way in sorted({detour.way for detour in detours}):
        place = crc32(way.encode()) % _SPAN
        while FIRST_MARK + place in used:
            place = (place + 1) % _SPAN
        found[way] = FIRST_MARK + place
        used.add(found[way])
    return found
