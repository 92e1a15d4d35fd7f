"""What a backup waits for besides silence, where its file says so. Pure; times are seconds."""

from __future__ import annotations

from dataclasses import replace

from lvsha.core.mastership import Router
from lvsha.core.plan import VirtualRouter


def begin_listening(vr: VirtualRouter, router: Router, now: float) -> Router:
    """`router` at its start: no master before `startup_delay` has passed."""
    return replace(router, not_before=now + vr.startup_delay)


def leave_alone(vr: VirtualRouter, router: Router, now: float) -> Router:
    """`router` after a master of lower priority was heard: it has `preempt_delay` from the first.

    Its time is over where `preempts_at` has come.
    """
    if router.preempts_at is not None:
        return router
    return replace(router, preempts_at=now + vr.preempt_delay)
