"""The machine that the VRRP process runs on, as it sees it: links, addresses, routes, segments."""

from __future__ import annotations

from dataclasses import dataclass

from lvsha.kernel.ports import Addresses, Macvlans, Routing, Wire


@dataclass(frozen=True, slots=True)
class Machine:
    """Doors to one kernel, or their twins."""

    addresses: Addresses
    routing: Routing
    macvlans: Macvlans
    wire: Wire
