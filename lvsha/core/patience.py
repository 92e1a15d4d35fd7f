"""What a backup waits for besides silence. Pure; times are seconds.

Two waits are the file's: `startup_delay` and `preempt_delay`. The third is for routers that do not
preempt: a link that has just come up may bring nothing yet (a bridge port that learns, a bond),
and who hears nobody on it would take the addresses from a master that is alive.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

from lvsha.core.mastership import Action, Listen, Router
from lvsha.core.plan import VirtualRouter
from lvsha.core.timers import master_down_interval
from lvsha.core.tracking import OWNER

Step: TypeAlias = tuple[Router, tuple[Action, ...]]

SETTLING = 30.0
"""Seconds after which a link that brings nothing at all is believed: nobody is there.

A bridge port is silent for two forward delays of 15 s (IEEE 802.1D-2004 §17.14).
"""


def begin_waiting(vr: VirtualRouter, router: Router, now: float) -> Router:
    """`router` at its start: no master before `startup_delay` has passed."""
    return replace(router, not_before=now + vr.startup_delay)


def begin_listening(vr: VirtualRouter, router: Router, actions: tuple[Action, ...]) -> Step:
    """`router` on a fresh link, a backup by `actions`: its silence means nothing yet."""
    if vr.preempt or router.priority == OWNER:
        return router, actions
    return replace(router, deaf=True), (Listen(), *actions)


def carried(vr: VirtualRouter, router: Router, now: float) -> Step:
    """From now on a master would be heard: this is when its silence begins."""
    if not router.deaf or router.deadline is None:
        return router, ()
    wait = master_down_interval(vr, router.priority, router.interval)
    return replace(router, deaf=False, deadline=max(router.deadline, now + wait)), ()


def left_alone_until(vr: VirtualRouter, router: Router, now: float) -> float:
    """When the time of a master of lower priority is over: `preempt_delay` from when it was first
    heard.
    """
    return now + vr.preempt_delay if router.preempts_at is None else router.preempts_at


def waits_on(vr: VirtualRouter, router: Router, held: bool, now: float) -> Step | None:
    """What a backup does whose time has come, but who is not to be master yet. None: it is."""
    if now < router.not_before:
        return replace(router, deadline=router.not_before), ()
    if router.deaf and now < router.since + SETTLING:
        look_again = now + master_down_interval(vr, router.priority, router.interval)
        return replace(router, deadline=min(look_again, router.since + SETTLING)), (Listen(),)
    if held:
        return replace(router, deadline=now + router.interval, due=True), ()
    return None
