"""Two masters: which of them yields, and with what last word. Pure; times are seconds.

Whoever yields says so: the other one learns that there were two, and corrects the caches that may
have been led astray (keepalived's vrrp_higher_prio_send_advert).
"""

from __future__ import annotations

from typing import NamedTuple

from lvsha.core.mastership import STOPPING, Received, Router
from lvsha.core.plan import VirtualRouter
from lvsha.core.tracking import LOWEST, OWNER


class Yielding(NamedTuple):
    """`parting` is the priority of the last advertisement: nobody yields to it."""

    parting: int
    reason: str


def yields(vr: VirtualRouter, router: Router, event: Received, now: float) -> Yielding | None:
    """What a master does about another one's advertisement; None: it stays."""
    theirs, ours = event.advertisement.priority, router.priority
    if theirs == STOPPING:
        return None
    if _outranks(event, vr, router):
        return Yielding(ours, f"{event.source} advertises priority {theirs}, ours is {ours}")
    if ours != OWNER and theirs > LOWEST and _was_given_up(vr, router, now):
        return Yielding(LOWEST, f"{event.source} took over while this node stood still")
    return None


def _outranks(event: Received, vr: VirtualRouter, router: Router) -> bool:
    """Higher priority wins, and of equal ones the higher address (RFC 9568 §6.4.3)."""
    theirs, ours = event.advertisement.priority, router.priority
    if theirs != ours or vr.source is None:
        return theirs >= ours
    return int(event.source) > int(vr.source)


def _was_given_up(vr: VirtualRouter, router: Router, now: float) -> bool:
    """Nothing was heard of us for three intervals: whoever took over did so by right."""
    return router.deadline is not None and now - router.deadline > 2 * vr.advertisement_interval
