"""VRRP's timers (RFC 9568 §6.1). Times are seconds."""

from __future__ import annotations

from lvsha.core.plan import VirtualRouter


def skew_time(vr: VirtualRouter, priority: int, interval: float) -> float:
    """Seconds by which a backup of `priority` waits longer than the best one could."""
    return (256 - priority) / 256 * (interval if vr.version == 3 else 1.0)


def master_down_interval(vr: VirtualRouter, priority: int, interval: float) -> float:
    """Seconds of silence after which the master is taken for dead."""
    return 3 * interval + skew_time(vr, priority, interval)


def same_timing(vr: VirtualRouter, other: VirtualRouter) -> bool:
    """Whether a backup of one would wait as long as one of the other."""
    return _timing(vr) == _timing(other)


def _timing(vr: VirtualRouter) -> tuple[int, int, float]:
    return vr.version, vr.priority, vr.advertisement_interval
