"""When a destination that takes no new connections has served its last one.

A TCP connection that has ended stays among the inactive ones for minutes, so those are not
waited for as such; but a half-closed one, or one whose handshake is under way, is among them
too, and its packets still count. So: no connection at all, or no active one and no packet for a
while.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from lvsha.core.types import DestinationStatus

QUIET = 3.0
"""Seconds without a packet: the kernel brings its counters up to date every 2 s (ip_vs_est.c)."""


@dataclass(frozen=True, slots=True)
class Drain:
    """A destination on its way out. `deadline` is when it goes whatever it has.

    `packets` and `quiet_since` are the counter at the last look that saw it move, and when.
    """

    deadline: float
    packets: int = -1
    quiet_since: float = 0.0


def look(drain: Drain, status: DestinationStatus | None, now: float) -> Drain | None:
    """The drain after a look at the kernel; None: it is over. Times of one clock, in seconds."""
    if status is None or now >= drain.deadline:
        return None
    if status.destination.weight:
        return drain  # it may still be given connections
    if not status.active_connections and not status.inactive_connections:
        return None
    packets = status.stats.in_packets
    if status.active_connections or packets != drain.packets:
        return replace(drain, packets=packets, quiet_since=now)
    return None if now - drain.quiet_since >= QUIET else drain
