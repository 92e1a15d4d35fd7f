"""What moves with mastership beside addresses: routes and rules, and a program that is told."""

from __future__ import annotations

from dataclasses import dataclass

from lvsha.core.types import Address, Network

MAIN_TABLE = 254
"""RT_TABLE_MAIN."""


@dataclass(frozen=True, slots=True)
class VirtualRoute:
    """A route through the router's interface, in the routing table of this number."""

    to: Network
    via: Address
    table: int = MAIN_TABLE

    def __str__(self) -> str:
        where = "" if self.table == MAIN_TABLE else f" table {self.table}"
        return f"route {self.to} via {self.via}{where}"


@dataclass(frozen=True, slots=True)
class VirtualRule:
    """Packets from `source` are routed by this table."""

    source: Network
    table: int

    def __str__(self) -> str:
        return f"rule from {self.source} table {self.table}"


@dataclass(frozen=True, slots=True)
class Hook:
    """A program that is told of every change of state, and killed after `timeout` seconds."""

    exec: tuple[str, ...]
    timeout: float = 10.0
    user: str = "nobody"
