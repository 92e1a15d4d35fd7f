"""The VRRP election: one virtual router's state machine (RFC 9568 §6.4, RFC 3768 §6.4).

Laws of this file: `step` is the only way a router changes, and it is pure: the clock is an
argument (monotonic seconds), what to do comes back as actions in order. Entering MASTER is always
advertise, own, announce, changed; leaving is always advertise 0 (only when stopping or faulted),
disown, changed. `deadline` is None exactly in INIT and FAULT.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from lvsha.core.mastership import (
    NOBODY,
    STOPPING,
    Action,
    Advertise,
    Announce,
    Carried,
    Changed,
    Conflict,
    Event,
    Faults,
    Forgiven,
    Own,
    Received,
    Reconfigure,
    Router,
    SetPriority,
    Start,
    State,
    StepDown,
    Stop,
    TakeOver,
    Timeout,
)
from lvsha.core.patience import (
    Step,
    begin_listening,
    begin_waiting,
    carried,
    left_alone_until,
    waits_on,
)
from lvsha.core.plan import VirtualRouter
from lvsha.core.rivalry import yields
from lvsha.core.timers import master_down_interval, same_timing, skew_time
from lvsha.core.tracking import OWNER, moved


def begin(vr: VirtualRouter) -> Router:
    """A router that takes no part yet."""
    return Router(vr.priority, vr.advertisement_interval)


def step(vr: VirtualRouter, router: Router, event: Event, now: float) -> Step:
    """What becomes of `router` by `event` at `now`, and what is to be done, in order.

    `vr.source` is the address its advertisements come from: ties are broken by it.
    """
    match event:
        case Received() | Carried():
            outcome = _heard(vr, router, event, now)
        case Timeout(held):
            outcome = _timeout(vr, router, held, now)
        case Faults(reasons):
            outcome = _faults(vr, router, reasons, now)
        case Start():
            outcome = _start(vr, begin_waiting(vr, router, now), "started", now)
        case Stop():
            outcome = _leave(router, State.INIT, "stopped", now)
        case SetPriority(priority):
            outcome = _set_priority(vr, router, priority, now)
        case TakeOver(reason):
            outcome = _take_over(vr, router, reason, now)
        case StepDown():
            outcome = _step_down(vr, router, event, now)
        case Reconfigure(previous):
            outcome = _reconfigure(vr, router, previous, now)
        case _:
            assert_never(event)
    return outcome


def _start(vr: VirtualRouter, router: Router, reason: str, now: float) -> Step:
    """RFC 9568 §6.4.1: the owner is master at once, anyone else listens first."""
    if router.state in (State.BACKUP, State.MASTER):
        return router, ()
    if router.faults:
        return _leave(router, State.FAULT, _listed(router.faults), now)
    is_owner = router.priority == OWNER and not router.aside
    if is_owner and now >= router.not_before:
        return _enter_master(vr, router, f"{reason} as address owner", now)
    listening, actions = _enter_backup(vr, router, vr.advertisement_interval, reason, now)
    if is_owner:
        listening = replace(listening, deadline=router.not_before)
    return begin_listening(vr, listening, actions)


def _heard(vr: VirtualRouter, router: Router, event: Received | Carried, now: float) -> Step:
    if isinstance(event, Carried):
        return carried(vr, router, now)
    if router.state is State.BACKUP:
        return _heard_as_backup(vr, router, event, now), ()
    if router.state is State.MASTER:
        return _heard_as_master(vr, router, event, now)
    return router, ()


def _heard_as_backup(vr: VirtualRouter, router: Router, event: Received, now: float) -> Router:
    """RFC 9568 §6.4.2. A lower priority is discarded: the timer keeps running, and we take over."""
    ad = event.advertisement
    if ad.priority == STOPPING:
        soon = now + skew_time(vr, router.priority, router.interval)
        omen = f"{event.source} stopped"
        return replace(router, deadline=soon, master=None, omen=omen, due=False, deaf=False)
    is_better = vr.preempt and not router.aside and ad.priority < router.priority
    preempts_at = left_alone_until(vr, router, now) if is_better else None
    if preempts_at is not None and now >= preempts_at:
        omen = f"{event.source} has lower priority {ad.priority}"
        return replace(router, master=event.source, omen=omen, preempts_at=preempts_at, deaf=False)
    return replace(
        router,
        interval=ad.interval,
        deadline=now + master_down_interval(vr, router.priority, ad.interval),
        master=event.source,
        omen=f"{event.source} is silent",
        grace=False,
        due=False,
        aside=router.aside and ad.priority < vr.priority,  # else it is as the election has it
        preempts_at=preempts_at,
        deaf=False,
    )


def _heard_as_master(vr: VirtualRouter, router: Router, event: Received, now: float) -> Step:
    """RFC 9568 §6.4.3. Whoever yields says so first, and whoever stays announces again."""
    ad = event.advertisement
    if (yielding := yields(vr, router, event, now)) is not None:
        known = replace(router, master=event.source)
        left, actions = _enter_backup(vr, known, ad.interval, yielding.reason, now)
        return left, (Advertise(yielding.parting), *actions)
    stays = replace(router, deadline=now + vr.advertisement_interval)
    if ad.priority == STOPPING:
        return stays, (Advertise(router.priority),)
    actions = (Advertise(router.priority), Announce())
    # Within the first interval it is the master we just displaced, not a conflict.
    if now - router.since > vr.advertisement_interval:
        actions = (*actions, Conflict(event.source, ad.priority))
    return stays, actions


def _timeout(vr: VirtualRouter, router: Router, held: bool, now: float) -> Step:
    if router.deadline is None or now < router.deadline:
        return router, ()
    late = now - router.deadline
    if router.state is State.MASTER:
        upcoming = router.deadline + vr.advertisement_interval
        if upcoming <= now:
            upcoming = now + vr.advertisement_interval
        return replace(router, deadline=upcoming), (Advertise(router.priority),)
    if late > router.interval and not router.grace:
        forgiven = replace(router, deadline=now + router.interval, grace=True)
        return forgiven, (Forgiven(late),)
    if (waiting := waits_on(vr, router, held, now)) is not None:
        return waiting
    return _enter_master(vr, router, router.omen, now)


def _take_over(vr: VirtualRouter, router: Router, reason: str, now: float) -> Step:
    if router.state is not State.BACKUP:
        return router, ()
    return _enter_master(vr, router, f"{router.omen}; {reason}", now)


def _step_down(vr: VirtualRouter, router: Router, event: StepDown, now: float) -> Step:
    """As if we stopped, but listening on. Where no peer takes over in its time we do again."""
    if router.state is not State.MASTER:
        return router, ()
    nobody = replace(router, master=None)
    left, actions = _enter_backup(vr, nobody, vr.advertisement_interval, event.reason, now)
    wait = vr.advertisement_interval + skew_time(vr, STOPPING, vr.advertisement_interval)
    left = replace(left, deadline=now + wait, aside=event.aside, omen="no peer took over")
    return left, (Advertise(STOPPING), *actions)


def _faults(vr: VirtualRouter, router: Router, reasons: frozenset[str], now: float) -> Step:
    had, router = router.faults, replace(router, faults=reasons)
    if router.state is State.INIT or (bool(reasons) and router.state is State.FAULT):
        return router, ()
    if reasons:
        return _leave(router, State.FAULT, _listed(reasons), now)
    if router.state is State.FAULT:
        return _start(vr, router, f"recovered: {_listed(had)}", now)
    return router, ()


def _set_priority(vr: VirtualRouter, router: Router, priority: int, now: float) -> Step:
    """A master says it at once; a backup's timer moves by the difference in skew."""
    changed = replace(router, priority=priority)
    if priority == router.priority or router.deadline is None:
        return changed, ()
    if router.state is State.MASTER:
        return _assert_mastership(vr, changed, now), (Advertise(priority),)
    old = skew_time(vr, router.priority, router.interval)
    new = skew_time(vr, priority, router.interval)
    return replace(changed, deadline=router.deadline + new - old), ()


def _reconfigure(vr: VirtualRouter, router: Router, previous: VirtualRouter, now: float) -> Step:
    """Mastership is kept, and so is what was added to the file's priority."""
    if vr.priority != previous.priority:
        router = replace(router, priority=moved(router.priority, previous.priority, vr.priority))
    if router.state is State.BACKUP:
        if same_timing(vr, previous):
            return router, ()
        interval = router.interval if router.master else vr.advertisement_interval
        wait = master_down_interval(vr, router.priority, interval)
        return replace(router, interval=interval, deadline=now + wait), ()
    if router.state is not State.MASTER:
        return replace(router, interval=vr.advertisement_interval), ()
    actions: tuple[Action, ...] = (Advertise(router.priority),)
    if vr.all_addresses != previous.all_addresses:
        actions = (*actions, Own(vr.all_addresses), Announce())
    return _assert_mastership(vr, router, now), actions


def _assert_mastership(vr: VirtualRouter, router: Router, now: float) -> Router:
    interval = vr.advertisement_interval
    return replace(router, interval=interval, deadline=now + interval, master=vr.source)


def _enter_master(vr: VirtualRouter, router: Router, reason: str, now: float) -> Step:
    entered = replace(
        _assert_mastership(vr, _anew(router, State.MASTER, now), now),
        aside=False,
    )
    return entered, (
        Advertise(router.priority),
        Own(vr.all_addresses),
        Announce(),
        Changed(router.state, State.MASTER, reason),
    )


def _enter_backup(
    vr: VirtualRouter, router: Router, interval: float, reason: str, now: float
) -> Step:
    """From MASTER, `router.master` is already who won."""
    wait = master_down_interval(vr, router.priority, interval)
    entered = replace(
        _anew(router, State.BACKUP, now),
        interval=interval,
        deadline=now + wait,
        omen=NOBODY if router.master is None else f"{router.master} is silent",
    )
    disown = (Own(()),) if router.state is State.MASTER else ()
    return entered, (*disown, Changed(router.state, State.BACKUP, reason))


def _leave(router: Router, state: State, reason: str, now: float) -> Step:
    """To INIT or FAULT, which changes nothing about an operator's word."""
    if router.state is state:
        return router, ()
    left = replace(_anew(router, state, now), deadline=None, master=None)
    farewell = (Advertise(STOPPING), Own(())) if router.state is State.MASTER else ()
    return left, (*farewell, Changed(router.state, state, reason))


def _anew(router: Router, state: State, now: float) -> Router:
    """At the beginning of a state nothing is left of what only the last one was about."""
    return replace(
        router, state=state, since=now, grace=False, due=False, preempts_at=None, deaf=False
    )


def _listed(reasons: frozenset[str]) -> str:
    return ", ".join(sorted(reasons))
