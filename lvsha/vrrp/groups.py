"""Sync groups at work: whenever a member changes, what that means for the others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from lvsha.core.groups import Verb, decide, shared_faults
from lvsha.core.mastership import StepDown, TakeOver
from lvsha.core.plan import SyncGroup
from lvsha.vrrp.router import RunningRouter


class Groups:
    """The sync groups of a plan."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[str, RunningRouter]] = {}
        self._is_coming = False

    def configure(self, groups: Iterable[SyncGroup], routers: Iterable[RunningRouter]) -> None:
        """Hold these routers together from now on."""
        by_name = {router.plan.name: router for router in routers}
        self._groups = {
            group.name: {name: by_name[name] for name in group.routers if name in by_name}
            for group in groups
        }
        grouped = {name for members in self._groups.values() for name in members}
        for name, router in by_name.items():
            router.is_grouped = name in grouped
            if name not in grouped:
                router.share(frozenset())
        self.soon()

    def soon(self) -> None:
        """Something changed: settle when that is done with, once for all that changes by then."""
        if self._groups and not self._is_coming:
            self._is_coming = True
            asyncio.get_running_loop().call_soon(self._settle)

    def _settle(self) -> None:
        self._is_coming = False
        for name, members in self._groups.items():
            own = {each: router.own_faults for each, router in members.items()}
            for each, faults in shared_faults(name, own).items():
                members[each].share(faults)
            word = decide(name, {each: router.standing for each, router in members.items()})
            for each in word.members:
                if word.verb is Verb.TAKE_OVER:
                    members[each].feed(TakeOver(word.reason))
                else:
                    members[each].feed(StepDown(word.reason))
