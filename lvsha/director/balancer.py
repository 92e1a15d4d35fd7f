"""Who serves, as time goes by: verdicts, orders, routers' states and clocks in, table touched.

What it comes to is asked of `Services`; here it is heard of and said, and the reconciler is told
whom to look at.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from lvsha.core.balance import Order, weighs
from lvsha.core.health import Admin, Health, ProbeResult
from lvsha.core.messages import Track, VrrpStatus
from lvsha.core.plan import Check, DirectorPlan, RealServer, VirtualService
from lvsha.core.types import Key
from lvsha.director.board import Board, Verdict
from lvsha.director.drains import Drained, Drains
from lvsha.director.nearest import nearest
from lvsha.director.orders import Orders
from lvsha.director.reconciler import Reconciler
from lvsha.director.services import Services
from lvsha.director.suspicion import Suspicion
from lvsha.director.telling import tell_damped, tell_verdict
from lvsha.errors import KernelError, UsageError
from lvsha.kernel.ports import Ipvs
from lvsha.runtime.logs import log
from lvsha.runtime.slices import sliced

TICK = 0.5
"""Seconds between two looks at clocks: slow starts and drains."""

PROMPT = 0.02
"""Seconds from a drain's beginning to the first look: what has no connections goes at once."""

LEISURE = 20
"""The time reading connection counts takes is at most one part in so many."""

VERBS = {"drain": Admin.DRAIN, "enable": Admin.ENABLED, "disable": Admin.DISABLED}


class Balancer:
    """One director's services, their servers' orders and drains, and who is told of changes.

    Made on the loop it runs on. `tell` hears of each service whether its quorum holds, once and
    whenever that changes. `wall` counts seconds since the epoch.
    """

    def __init__(
        self,
        board: Board,
        runtime_dir: Path,
        wall: Callable[[], float] = time.time,
        tell: Callable[[Track], None] = lambda _: None,
    ) -> None:
        clock = asyncio.get_running_loop().time
        self._board = board
        self._clock = clock
        self._hurry = asyncio.Event()
        self._orders = Orders(runtime_dir)
        self._drains = Drains(runtime_dir, self._hurry.set, wall)
        self._suspicion = Suspicion(clock)
        self.services = Services(board, self._orders, self._drains, clock)
        self._plan = DirectorPlan("", "", ())
        self._tell = tell
        self._told: dict[str, bool | None] = {}
        self._refused: set[str] = set()
        self._ipvs: Ipvs | None = None
        self._table: Reconciler | None = None

    def open(self, ipvs: Ipvs, table: Reconciler) -> None:
        """Act on this table from now on."""
        self._ipvs, self._table = ipvs, table

    @property
    def is_suspect(self) -> bool:
        """So many targets failed at once that the fault is more likely this director's."""
        return self._suspicion.holds

    def configure(self, plan: DirectorPlan) -> None:
        """Take a plan, which the board has; the table takes it after us."""
        self._plan = plan
        self._suspicion.configure(self._board.checks)
        self.services.configure(plan, self._table.known if self._table else {})
        self._told = {}
        for service in plan.services:
            self._say(service)

    def judged(self, check: Check, old: Health, new: Health, result: ProbeResult) -> None:
        """What is believed of a check's target, or advised of it, changed."""
        if new.measured is not old.measured:
            self._suspicion.judged(check, old.measured, new.measured)
        for verdict in self._board.judged(check, old, new):
            self._heed(verdict, result.elapsed)

    def _heed(self, verdict: Verdict, elapsed: float = 0.0) -> None:
        """What is believed of a server, or advised of it, changed."""
        service, server, was, now, damped = verdict
        if damped and service.damping is not None:
            tell_damped(service, server, service.damping)
        if now.measured is not was.measured:
            tell_verdict(service, server, was, now, elapsed)
        if service.keeps_places and weighs(now.advice):
            self._refuse_weight(service, server)
        self._weigh(service, server)

    def _refuse_weight(self, service: VirtualService, server: RealServer) -> None:
        """Said once for each service: clients would be moved with every change."""
        if service.name not in self._refused:
            self._refused.add(service.name)
            note = "scheduler mh moves connections with every change of a weight: not heeded"
            log.warning("weight.refused", service=service.name, server=str(server), note=note)

    def _weigh(self, service: VirtualService, server: RealServer) -> None:
        """What is known or wanted of a server changed."""
        changed = self.services.changed(service, server)
        self._say(service)
        if self._table is None:
            return
        if len(changed) > 1:
            self._table.touch_service(service)
        else:
            self._table.touch(service, server)

    def _say(self, service: VirtualService) -> None:
        holds = self.services.holds(service)
        if service.name not in self._told or self._told[service.name] is not holds:
            self._told[service.name] = holds
            self._tell(Track(service.name, holds))

    def heard(self, vrrp: VrrpStatus) -> None:
        """What the routers are now: services bound to one come and go with it."""
        for service in self.services.heard(vrrp):
            active = self.services.is_active(service)
            log.info("service.active", service=service.name, active=active, router=service.router)
            if self._table is not None:
                self._table.touch_service(service)

    def order(self, verb: str, service_name: str, server_name: str, weight: int | None) -> Order:
        """Do what an operator says of a server; the order now in force.

        UsageError for a service or server that is not in the plan.
        """
        service = self._find_service(service_name)
        server = _find_server(service, server_name)
        was = self._orders.of(service, server)
        if weight is None:
            now = replace(was, admin=VERBS[verb])
        else:
            now = replace(was, weight=None if weight == server.weight else weight)
        if now != was:
            self._orders.set(service, server, now)
            log.info(
                "server.order",
                service=service.name,
                server=str(server),
                admin=now.admin.value,
                weight=server.weight if now.weight is None else now.weight,
            )
            self._weigh(service, server)
        return now

    async def run(self) -> None:
        """Keep slow starts going and drains watched, and let go whom damping held."""
        due = 0.0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK):
                    await self._hurry.wait()
                    await asyncio.sleep(PROMPT)
            self._ramp()
            for verdict in self._board.released():
                self._heed(verdict)
            now = self._clock()
            if self._hurry.is_set() or now >= due:
                self._hurry.clear()
                began = time.monotonic()
                await self._look_at_drains()
                due = now + max(2 * TICK, LEISURE * (time.monotonic() - began))

    def _ramp(self) -> None:
        for service, server in self.services.ramping():
            if self._table is not None:
                self._table.touch(service, server)

    async def _look_at_drains(self) -> None:
        if self._ipvs is None:
            return
        async for key in sliced(self._drains.keys):
            try:
                statuses = [each for _, found in self._ipvs.read((key,)) for each in found or ()]
            except KernelError:
                return  # the reconciler says so at its next resync
            drained = self._drains.look(key, statuses)
            if drained:
                self._drained(key, drained)

    def _drained(self, key: Key, drained: Drained) -> None:
        service = next((each for each in self._plan.services if each.key == key), None)
        if service is None:
            return
        for server, status in drained.items():
            if status is not None:
                log.info(
                    "server.drained",
                    service=service.name,
                    server=str(server),
                    connections_left=status.active_connections,
                )
        if self._table is not None:
            self._table.touch_service(service)

    def _find_service(self, name: str) -> VirtualService:
        for service in self._plan.services:
            if service.name == name:
                return service
        known = [service.name for service in self._plan.services]
        raise UsageError(f"no service {name!r}; {nearest(name, known)}")


def _find_server(service: VirtualService, name: str) -> RealServer:
    """By address and port, or by an address no other server of the service has."""
    known = {str(server): server for server in service.servers}
    if name in known:
        return known[name]
    alike = [server for server in service.servers if str(server.address) == name]
    if len(alike) == 1:
        return alike[0]
    what = f"service {service.name!r} has no server {name!r}"
    raise UsageError(f"{what}; {nearest(name, list(known))}")
