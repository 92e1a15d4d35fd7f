"""One director: a plan in, checks judged, the kernel's table kept, questions answered.

Everything that changes state happens on one event loop; what takes long is sliced.
"""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

from lvsha.core.health import Health, Measured, ProbeResult
from lvsha.core.messages import (
    Configure,
    Configured,
    Processes,
    ReloadDone,
    ReloadRequested,
    Stop,
    VrrpStatus,
)
from lvsha.core.plan import Check, DirectorPlan
from lvsha.director import metrics, snapshot
from lvsha.director.board import Board
from lvsha.director.checker import Checkers
from lvsha.director.counters import Counters, Reading
from lvsha.director.descriptors import raise_descriptor_limit
from lvsha.director.figures import own_figures
from lvsha.director.ownership import Ownership
from lvsha.director.reconciler import Reconciler
from lvsha.director.services import Services
from lvsha.director.settings import Settings
from lvsha.director.web import Web
from lvsha.errors import LvshaError
from lvsha.kernel.ipvs import KernelIpvs
from lvsha.kernel.sysctls import KernelSysctls
from lvsha.probes import Prober
from lvsha.runtime.channel import Channel
from lvsha.runtime.logs import log

RELOAD_TIMEOUT = 25.0
"""Seconds an operator's reload may take before the answer is that it takes too long."""

RETRY = 5.0
"""Seconds between tries to take a plan into a kernel that does not let us."""


class Director:
    """The moving parts of the director process, wired together."""

    def __init__(self, channel: Channel, runtime_dir: Path) -> None:
        self._channel = channel
        self._runtime_dir = runtime_dir
        self._checkers = Checkers(Prober(), self._judged, limit=raise_descriptor_limit())
        self._board = Board(self._checkers.health)
        self._services = Services(self._board)
        self._settings = Settings(KernelSysctls())
        self._ownership = Ownership(runtime_dir)
        self._table: Reconciler | None = None
        self._counters: Counters | None = None
        self._table_open = asyncio.Event()
        self._web = Web(self.status, self.metrics, self.ask_for_reload)
        self._plan: DirectorPlan | None = None
        self._generation = 0
        self._in_force = 0
        self._processes = Processes(0, 0, 0)
        self._vrrp = VrrpStatus(())
        self._requests = itertools.count(1)
        self._answers: dict[int, asyncio.Future[ReloadDone]] = {}
        self._news = asyncio.Event()

    def jobs(self) -> dict[str, Any]:
        """The eternal tasks of a director, by name."""
        return {
            "supervisor": self._listen(),
            "configuration": self._configure_when_told(),
            "reconciler": self._reconcile(),
            "settings": self._keep_settings(),
        }

    async def close(self) -> None:
        await self._web.close()
        await self._checkers.close()

    @property
    def is_ready(self) -> bool:
        """The plan is in force and every check has decided once."""
        return self._plan is not None and self._in_force > 0 and self._checkers.decided

    async def status(self) -> dict[str, Any]:
        """The contract's status value."""
        plan = self._plan or DirectorPlan("", "", ())
        reading = Reading()
        if self._counters is not None:
            reading = await self._counters.read([service.key for service in plan.services])
        return snapshot.build(
            plan=self._plan or plan,
            generation=self._generation,
            ready=self.is_ready,
            processes=self._processes,
            vrrp=self._vrrp,
            board=self._board,
            services=self._services,
            reading=reading,
            refused=self._table.refused if self._table else {},
            settings=self._settings.state,
        )

    async def metrics(self) -> bytes:
        """Prometheus text, rendered in a thread."""
        figures = own_figures(
            self._generation, self.is_ready, self._checkers, self._table, self._vrrp
        )
        return await asyncio.to_thread(metrics.render, await self.status(), figures)

    async def ask_for_reload(self) -> ReloadDone:
        """Have the supervisor read the file again; its answer."""
        request = next(self._requests)
        answer: asyncio.Future[ReloadDone] = asyncio.get_running_loop().create_future()
        self._answers[request] = answer
        self._channel.send(ReloadRequested(request))
        try:
            async with asyncio.timeout(RELOAD_TIMEOUT):
                done = await answer
        except TimeoutError:
            text = f"the reload has not ended after {RELOAD_TIMEOUT:g} s"
            done = ReloadDone(request, self._generation, text)
        finally:
            del self._answers[request]
        return done

    async def _listen(self) -> None:
        """Until the supervisor says stop or is gone."""
        async for message in self._channel.messages():
            match message:
                case Configure(generation, DirectorPlan() as plan):
                    self._plan, self._generation = plan, generation
                    self._news.set()
                case VrrpStatus():
                    self._vrrp = message
                case Processes():
                    self._processes = message
                case ReloadDone(request) if request in self._answers:
                    self._answers[request].set_result(message)
                case Stop():
                    return
                case _:
                    log.error("message.unexpected", message=type(message).__name__)

    async def _configure_when_told(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            if not await self._take_plan():
                asyncio.get_running_loop().call_later(RETRY, self._news.set)

    async def _take_plan(self) -> bool:
        """Put the newest plan in force; False when the kernel or this machine did not let us."""
        plan, generation = self._plan, self._generation
        if plan is None:
            return True
        try:
            self._settings.configure(plan)
            self._open_table(plan)
            self._take_checks(plan)
            if self._in_force == 0:
                await self._web.start(self._runtime_dir / "control.sock")
            await self._web.listen(plan.api)
        except (LvshaError, OSError) as error:
            log.error("kernel.error", what="the plan could not be put in force", error=str(error))
            return False
        self._in_force = generation
        self._channel.send(Configured(generation))
        return True

    def _open_table(self, plan: DirectorPlan) -> None:
        """Reach the kernel's table, once; a node that balances nothing needs none."""
        if self._table is None and (plan.services or self._ownership.keys):
            ipvs = KernelIpvs.open()
            self._table = Reconciler(ipvs, self._ownership, self._services.judgement)
            self._counters = Counters(ipvs)
            self._settings.ipvs = ipvs
        if self._table is not None:
            self._table.adopt()

    def _take_checks(self, plan: DirectorPlan) -> None:
        """Checks, services and table change in one step: nobody sees one without the others."""
        self._board.update(plan.services)
        self._checkers.update(self._board.checks)
        self._services.configure(plan, self._table.known if self._table else {})
        if self._table is not None:
            self._table.configure(plan)
            self._table_open.set()

    def _judged(self, check: Check, old: Health, new: Health, result: ProbeResult) -> None:
        write = log.warning if new.measured is Measured.DOWN else log.info
        for service, server in self._board.servers(check):
            write(
                "health.changed",
                service=service.name,
                server=str(server),
                old=old.measured.value,
                new=new.measured.value,
                reason=result.message,
                elapsed_ms=round(result.elapsed * 1000, 1),
            )
            self._services.changed(service, server)
            if self._table is not None:
                self._table.touch(service, server)

    async def _reconcile(self) -> None:
        await self._table_open.wait()
        if self._table is not None:
            await self._table.run()

    async def _keep_settings(self) -> None:
        while True:
            await asyncio.sleep(self._plan.resync_interval if self._plan else RETRY)
            self._settings.keep()
