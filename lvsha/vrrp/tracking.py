"""Everything tracked on this node: who watches it, what is believed of it, what comes of that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, assert_never

from lvsha.core.groups import shared_tracks
from lvsha.core.messages import NodeFaults
from lvsha.core.messages import Track as ServiceTold
from lvsha.core.plan import VirtualRouter, VrrpPlan
from lvsha.core.tracking import (
    UNKNOWN,
    Effect,
    Finding,
    Target,
    Track,
    TrackedFile,
    TrackedInterface,
    TrackedProcess,
    TrackedRoute,
    TrackedScript,
    TrackedService,
    Verdict,
    effect,
)
from lvsha.kernel.ports import Addresses, Link, Routing
from lvsha.runtime.logs import log
from lvsha.runtime.tasks import spawn
from lvsha.vrrp.trackers import route, script, watched
from lvsha.vrrp.trackers.link import judge_link

Key: TypeAlias = TrackedScript | frozenset[TrackedFile | TrackedProcess] | frozenset[TrackedRoute]
"""What one task follows: a script, all that the one watcher watches, or all routes."""


class Tracking:
    """`changed` is called after everything from which `effect` may come out differently."""

    def __init__(self, addresses: Addresses, routing: Routing, changed: Callable[[], None]) -> None:
        self._addresses = addresses
        self._routing = routing
        self._changed = changed
        self._tracks: dict[str, tuple[Track, ...]] = {}
        self._found: dict[Target, Finding] = {}
        self._faults: frozenset[str] = frozenset()
        self._services: dict[str, bool | None] = {}
        self._work: dict[Key, asyncio.Task[None]] = {}

    async def configure(self, plan: VrrpPlan) -> None:
        """Track what this plan's routers do, by difference."""
        self._tracks = shared_tracks(plan)
        targets = {track.target for tracks in self._tracks.values() for track in tracks}
        self._found = {target: self._found.get(target, UNKNOWN) for target in targets}
        wanted = dict(self._jobs(targets))
        for gone in self._work.keys() - wanted.keys():
            self._work.pop(gone).cancel()
        for key in wanted.keys() - self._work.keys():
            self._work[key] = spawn(f"tracking {key}", wanted[key]())
        for target in targets:
            if isinstance(target, TrackedService):
                self._judge_service(target.name)
        await self.refresh()

    def effect(self, vr: VirtualRouter) -> Effect:
        """The priority a router has now, and its faults that are not its interface's."""
        tracks = self._tracks.get(vr.name, vr.tracks)
        come = effect(vr.priority, tracks, self._found)
        return Effect(come.priority, come.faults | self._faults)

    def heard(self, message: ServiceTold | NodeFaults) -> None:
        """What the supervisor says."""
        match message:
            case ServiceTold(service, ok):
                self._services[service] = ok
                self._judge_service(service)
            case NodeFaults(reasons):
                self._faults = frozenset(reasons)
                self._changed()
            case _:
                assert_never(message)

    def link_changed(self, name: str, link: Link | None) -> None:
        """The kernel says so."""
        self._find(TrackedInterface(name), judge_link(link))

    async def refresh(self) -> None:
        """Ask the kernel how tracked interfaces are, whatever was told."""
        for target in tuple(self._found):
            if isinstance(target, TrackedInterface):
                self._find(target, judge_link(await self._addresses.link(target.name)))

    def close(self) -> None:
        """Watch nothing any more."""
        for task in self._work.values():
            task.cancel()
        self._work.clear()

    def _jobs(self, targets: set[Target]) -> dict[Key, Callable[[], Coroutine[Any, Any, None]]]:
        jobs: dict[Key, Callable[[], Coroutine[Any, Any, None]]] = {}
        together: set[TrackedFile | TrackedProcess] = set()
        routes: set[TrackedRoute] = set()
        for target in targets:
            match target:
                case TrackedScript():
                    jobs[target] = self._script_job(target)
                case TrackedFile() | TrackedProcess():
                    together.add(target)
                case TrackedRoute():
                    routes.add(target)
                case TrackedInterface() | TrackedService():
                    pass
                case _:
                    assert_never(target)
        if together:
            key = frozenset(together)
            jobs[key] = lambda: watched.follow(key, self._find)
        if routes:
            all_routes = frozenset(routes)
            jobs[all_routes] = lambda: route.follow(all_routes, self._routing, self._find)
        return jobs

    def _script_job(self, target: TrackedScript) -> Callable[[], Coroutine[Any, Any, None]]:
        return lambda: script.follow(target, lambda finding: self._find(target, finding))

    def _judge_service(self, name: str) -> None:
        ok = self._services.get(name)
        verdict = {True: Verdict.WELL, False: Verdict.ILL, None: Verdict.UNKNOWN}[ok]
        if verdict is not Verdict.UNKNOWN:  # not knowing changes nothing
            self._find(TrackedService(name), Finding(verdict, "is up" if ok else "is down"))

    def _find(self, target: Target, finding: Finding) -> None:
        before = self._found.get(target)
        if before is None or finding == before:
            return
        self._found[target] = finding
        if (before.verdict, before.value) != (finding.verdict, finding.value):
            (log.warning if finding.verdict is Verdict.ILL else log.info)(
                "vrrp.track",
                target=str(target),
                old=before.verdict.value,
                new=finding.verdict.value,
                reason=finding.reason,
            )
        self._changed()
