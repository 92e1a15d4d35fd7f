"""One director: a plan in, checks judged, the kernel's table kept, questions answered.

Everything that changes state happens on one event loop; what takes long is sliced.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from lvsha.core.balance import Order
from lvsha.core.health import Health, ProbeResult
from lvsha.core.messages import (
    Configure,
    Configured,
    FailoverDone,
    Processes,
    ReloadDone,
    Stop,
    VrrpStatus,
)
from lvsha.core.plan import Check, DirectorPlan
from lvsha.core.types import Key
from lvsha.director import metrics, snapshot
from lvsha.director.balancer import Balancer
from lvsha.director.board import Board
from lvsha.director.checker import Checkers
from lvsha.director.counters import Counters, Reading
from lvsha.director.descriptors import raise_descriptor_limit
from lvsha.director.failovers import Failovers
from lvsha.director.figures import own_figures
from lvsha.director.ownership import Ownership
from lvsha.director.reconciler import Reconciler
from lvsha.director.reloads import Reloads
from lvsha.director.renewal import renewed
from lvsha.director.settings import Settings
from lvsha.director.web import Web
from lvsha.errors import KernelError, LvshaError
from lvsha.kernel.claims import LinkClaims
from lvsha.kernel.ipvs import KernelIpvs
from lvsha.kernel.ports import Ipvs, Sysctls
from lvsha.kernel.sysctls import KernelSysctls
from lvsha.probes import Prober
from lvsha.runtime.channel import Channel
from lvsha.runtime.control import socket_path
from lvsha.runtime.logs import log
from lvsha.runtime.slices import SLICE, in_slices, sliced

RETRY = 5.0
"""Seconds between tries to take a plan into a kernel that does not let us."""


FIRST_SLICE = 1.0
"""Seconds of work on the first plan before the loop gets its turn: everybody waits for it, but the
supervisor must hear that we live."""


class Director:
    """The moving parts of the director process, wired together.

    `open_ipvs` is called when the first plan needs a table; it raises LvshaError where there is
    no IPVS.
    """

    def __init__(
        self,
        channel: Channel,
        runtime_dir: Path,
        *,
        open_ipvs: Callable[[], Ipvs] = KernelIpvs.open,
        sysctls: Sysctls | None = None,
    ) -> None:
        self._channel = channel
        self._runtime_dir = runtime_dir
        self._open_ipvs = open_ipvs
        prober = Prober(LinkClaims(), self._is_laid)
        self._checkers = Checkers(prober, self._judged, limit=raise_descriptor_limit())
        self._board = Board(self._checkers.health)
        self._balancer = Balancer(self._board, runtime_dir, tell=channel.send)
        self._services = self._balancer.services
        self._settings = Settings(sysctls or KernelSysctls())
        self._ownership = Ownership(runtime_dir)
        self._table: Reconciler | None = None
        self._counters: Counters | None = None
        self._table_open = asyncio.Event()
        self._failovers = Failovers(channel.send)
        self._reloads = Reloads(channel.send)
        self._web = Web(self)
        self._asked: Configure | None = None
        self._plan = DirectorPlan("", "", ())
        self._in_force = 0
        self._processes = Processes(0, 0, 0)
        self._vrrp = VrrpStatus(())
        self._news = asyncio.Event()
        self._complaints: dict[str, str] = {}

    def jobs(self) -> dict[str, Any]:
        """The eternal tasks of a director, by name."""
        return {
            "supervisor": self._listen(),
            "configuration": self._configure_when_told(),
            "reconciler": self._reconcile(),
            "balancer": self._balancer.run(),
            "settings": self._keep_settings(),
        }

    async def close(self) -> None:
        await self._web.close()
        await self._checkers.close()

    @property
    def is_ready(self) -> bool:
        """A plan is in force and every check has decided once, or can be done without."""
        return self._in_force > 0 and all(
            asked and not self._board.needs(check) for check, asked in self._checkers.undecided()
        )

    async def status(self) -> dict[str, Any]:
        """The contract's status value."""
        while (found := await self._status(self._plan)) is None:
            continue
        return found

    async def _status(self, plan: DirectorPlan) -> dict[str, Any] | None:
        """None when another plan came in between."""
        reading = Reading()
        if self._counters is not None:
            reading = await self._counters.read([service.key for service in plan.services])
        table, refused = (self._table.known, self._table.refused) if self._table else ({}, {})
        kernel = snapshot.Kernel(table, reading, refused)
        services = []
        async for service in sliced(plan.services):
            if plan is not self._plan:
                return None
            services.append(snapshot.service(service, self._board, self._services, kernel))
        return snapshot.build(
            plan=plan,
            generation=self._in_force,
            ready=self.is_ready,
            processes=self._processes,
            vrrp=self._vrrp,
            suspect=self._balancer.is_suspect,
            services=services,
            settings=self._settings.state,
        )

    async def metrics(self) -> bytes:
        """Prometheus text."""
        figures = own_figures(
            self._in_force,
            not self._reloads.last.error,
            self.is_ready,
            self._balancer.is_suspect,
            self._checkers,
            self._table,
            self._vrrp,
        )
        return await metrics.render(await self.status(), figures)

    def order(self, verb: str, service: str, server: str, weight: int | None) -> Order:
        """Do what an operator says of a server. UsageError: there is no such one."""
        return self._balancer.order(verb, service, server, weight)

    async def fail_over(self, router: str) -> None:
        """Have this node hand a router over. UsageError: no such one; HostError: it can't."""
        await self._failovers.ask(router, self._vrrp)

    async def ask_for_reload(self) -> ReloadDone:
        """Have the supervisor read the file again; its answer."""
        return await self._reloads.ask(self._in_force)

    async def _listen(self) -> None:
        """Until the supervisor says stop or is gone."""
        async for message in self._channel.messages():
            match message:
                case Configure(_, DirectorPlan()):
                    self._asked = message
                    self._news.set()
                case VrrpStatus():
                    self._vrrp = message
                    self._balancer.heard(message)
                case Processes():
                    self._processes = message
                case ReloadDone():
                    self._reloads.done(message)
                case FailoverDone():
                    self._failovers.done(message)
                case Stop():
                    return
                case _:
                    log.error("message.unexpected", message=type(message).__name__)

    async def _configure_when_told(self) -> None:
        done = True
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), None if done else RETRY)
            is_new = self._news.is_set()
            self._news.clear()
            if self._asked is None:
                continue
            if is_new or self._in_force != self._asked.generation:
                done = await self._take(self._asked)
            else:  # a plan of thousands of servers is not gone through again for this
                done = await self._serve(self._plan)

    async def _take(self, asked: Configure) -> bool:
        """Put a plan in force and be there to be asked; False: not all of it could be done."""
        assert isinstance(asked.plan, DirectorPlan)
        plan = await renewed(self._plan, asked.plan)
        self._asked = Configure(asked.generation, plan) if self._asked is asked else self._asked
        in_force = await self._attempt("plan", "kernel.error", self._open_table(plan))
        self._take_checks(plan)
        if in_force and self._table is not None:
            at_once = SLICE if self._table_open.is_set() else FIRST_SLICE
            configured = in_slices(self._table.configuring(plan), at_once)
            in_force = await self._attempt("plan", "kernel.error", configured)
            self._table_open.set()
        self._settings.configure(plan)
        if in_force and self._in_force != asked.generation:
            self._in_force = asked.generation
            # What was made of the plan lives as long as it: nobody looks through it. Once for a
            # plan: what garbage there is stays, too, and tries may go on for days.
            gc.freeze()
        served = await self._serve(plan)
        if in_force:
            self._channel.send(Configured(asked.generation))
        return in_force and served

    async def _serve(self, plan: DirectorPlan) -> bool:
        """Be reachable as the plan says; balancing goes on where that can't be."""
        reachable = True
        for what, serving in (
            ("control socket", self._web.start(socket_path(self._runtime_dir))),
            ("api.listen", self._web.listen(plan.api)),
        ):
            reachable &= await self._attempt(what, "api.failed", serving)
        return reachable

    async def _attempt(self, what: str, event: str, work: Awaitable[None]) -> bool:
        try:
            await work
        except (LvshaError, OSError) as error:
            return self._complain(what, event, error)
        self._complaints.pop(what, None)
        return True

    def _complain(self, what: str, event: str, error: Exception) -> bool:
        """Said once, not at every try; always False."""
        if self._complaints.get(what) != str(error):
            log.error(event, what=what, error=str(error), retry_in=RETRY)
        self._complaints[what] = str(error)
        return False

    async def _open_table(self, plan: DirectorPlan) -> None:
        """Reach the kernel's table, once; a node that balances nothing needs none."""
        if self._table is None and (plan.services or self._ownership.keys):
            ipvs = self._open_ipvs()
            table = Reconciler(ipvs, self._ownership, self._services.view)
            try:
                table.adopt()
            except KernelError:
                ipvs.close()
                raise
            self._balancer.open(ipvs, table)
            self._table, self._counters, self._settings.ipvs = table, Counters(ipvs), ipvs

    def _is_laid(self, key: Key) -> bool:
        """Whether the kernel has a service and its destinations, as far as we know."""
        found = self._table.known.get(key) if self._table else None
        return found is not None and len(found.destinations) > 0

    def _take_checks(self, plan: DirectorPlan) -> None:
        """Checks and services change in one step: nobody sees one without the other.

        They do so even while the kernel can't be reached: the operator is told how servers fare.
        """
        self._plan = plan
        self._board.update(plan.services)
        self._checkers.update(self._board.checks)
        self._balancer.configure(plan)

    def _judged(self, check: Check, old: Health, new: Health, result: ProbeResult) -> None:
        self._balancer.judged(check, old, new, result)

    async def _reconcile(self) -> None:
        await self._table_open.wait()
        if self._table is not None:
            await self._table.run()

    async def _keep_settings(self) -> None:
        while True:
            await asyncio.sleep(self._plan.resync_interval)
            self._settings.keep()
