"""An operator's word to hand a virtual router over to another node."""

from __future__ import annotations

from collections.abc import Iterable

from lvsha.core.mastership import State, StepDown
from lvsha.core.plan import VrrpPlan
from lvsha.vrrp.router import RunningRouter

REASON = "handed over by an operator"


def hand_over(name: str, routers: Iterable[RunningRouter], plan: VrrpPlan) -> str:
    """Let go of a router, with all of its sync group; why it could not be done, else nothing."""
    by_name = {router.plan.name: router for router in routers}
    router = by_name.get(name)
    if router is None:
        return f"there is no router {name!r}"
    if router.state is not State.MASTER:
        master = router.standing.master
        where = f"; master is {master}" if master else ""
        return f"router {name} is {router.state.value} on this node: nothing to hand over{where}"
    together = {name}
    for group in plan.sync_groups:
        together |= set(group.routers) if name in group.routers else set()
    for each in sorted(together & by_name.keys()):
        by_name[each].feed(StepDown(REASON, aside=True))
    return ""
