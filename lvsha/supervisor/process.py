"""The supervisor: owns the file, the two children and what they tell each other.

It reads the file, resolves it for this node, and hands each child its plan; VRRP gets a plan
only after the director has the table in place, so that an address never arrives before what it
serves. A bad file on reload changes nothing.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lvsha import __version__
from lvsha.core.messages import (
    Alive,
    Configure,
    Configured,
    Failover,
    FailoverDone,
    Message,
    Processes,
    ReloadDone,
    ReloadRequested,
    Track,
    VrrpStatus,
)
from lvsha.errors import LvshaError
from lvsha.runtime import sdnotify
from lvsha.runtime.logs import describe, log
from lvsha.runtime.tasks import spawn
from lvsha.supervisor.bearing import Bearing
from lvsha.supervisor.child import PROGRAM, Child
from lvsha.supervisor.plans import Plans, absent, undecided, withdraw

TABLE_TIMEOUT = 10.0
"""Seconds VRRP waits for the director's table before it starts without."""

VRRP_PATIENCE, DIRECTOR_PATIENCE = 10, 30
"""Seconds without a word until a child hangs. A peer took over from a hanging VRRP process long
before, and two machines answer for one address. A director may be busy with a very large plan, and
the kernel balances on meanwhile."""


class Supervisor:
    """`load` reads and resolves the file again; it raises LvshaError for a bad one."""

    def __init__(
        self,
        plans: Plans,
        load: Callable[[Plans], Plans],
        runtime_dir: Path,
        program: tuple[str, ...] = PROGRAM,
    ) -> None:
        self._plans = plans
        self._load = load
        self._generation = 1
        self._table_generation = 0
        self._configured: dict[str, int] = {"vrrp": 0, "director": 0}
        self._stopping = False
        self._progress = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._last_reload = ReloadDone(0, 1)
        self._vrrp_status = undecided(plans.vrrp)
        context = ("--cluster", plans.director.cluster, "--node", plans.director.node)
        self._vrrp = Child(
            "vrrp",
            context,
            self._vrrp_started,
            self._from_vrrp,
            self._vrrp_ended,
            program,
            VRRP_PATIENCE,
        )
        self._director = Child(
            "director",
            (*context, "--runtime-dir", str(runtime_dir)),
            self._director_started,
            self._from_director,
            self._director_ended,
            program,
            DIRECTOR_PATIENCE,
        )
        self._bearing = Bearing(self._vrrp.send)

    async def run(self) -> None:
        """Until SIGTERM or SIGINT. SIGHUP reads the file again."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: spawn("reload", self._reload_on_signal()))
        log.info("daemon.started", version=__version__, pid=os.getpid())
        lives = [self._vrrp.start(), self._director.start()]
        rollout = spawn("rollout", self._roll_out_and_say_ready())
        beat = spawn("watchdog", _feed_watchdog())
        stopping = asyncio.create_task(stop.wait(), name="stop")
        await asyncio.wait([stopping, *lives], return_when=asyncio.FIRST_COMPLETED)
        sdnotify.notify("STOPPING=1")
        for task in (stopping, rollout, beat):
            task.cancel()
        self._stopping = True
        self._bearing.close()
        await self._stop_children()
        log.info("daemon.stopped")
        for life in lives:
            life.result()

    async def _stop_children(self) -> None:
        """VRRP first: the peer has the addresses before anything else ends."""
        if not await self._vrrp.stop():
            try:
                await withdraw(self._plans.vrrp)
            except (LvshaError, OSError) as error:
                log.error("kernel.error", what="what the vrrp process has left", error=str(error))
        await self._director.stop()

    async def _roll_out_and_say_ready(self) -> None:
        await self._roll_out()
        self._say_ready()

    def _say_ready(self, note: str = "") -> None:
        sdnotify.notify("READY=1", f"STATUS=generation {self._generation} in force{note}")

    async def _roll_out(self) -> str:
        """Give both children this generation, the director first; who does not have it in time."""
        late = ""
        self._director.send(self._director_message())
        if not await self._reached("director"):
            log.warning("director.slow", note="VRRP goes ahead without waiting for the table")
            late = "director"
        self._table_generation = self._generation
        self._tell_vrrp()
        return late if await self._reached("vrrp") else late or "vrrp"

    async def _reached(self, name: str) -> bool:
        try:
            async with asyncio.timeout(TABLE_TIMEOUT):
                while self._configured[name] < self._generation:
                    self._progress.clear()
                    await self._progress.wait()
        except TimeoutError:
            return False
        return True

    async def reload(self) -> ReloadDone:
        """Read the file again and put it in force; how that went."""
        async with self._reloading:
            sdnotify.reloading()
            done = self._last_reload = await self._reload()
            self._director.send(done)
            self._say_ready("; the file was rejected" if done.error else "")
            return done

    async def _reload(self) -> ReloadDone:
        try:
            plans = await asyncio.to_thread(self._load, self._plans)
        except LvshaError as error:
            return self._reject(error, error.report, error.exit_code)
        except Exception as error:  # noqa: BLE001 - a bug in judging a file ends no daemon
            return self._reject(error, f"lvsha: unexpected: {describe(error)}", 1)
        self._plans = plans
        self._generation += 1
        late = await self._roll_out()
        log.info("config.reloaded", generation=self._generation)
        if late:
            text = f"generation {self._generation} is read, but not yet in force in the {late}"
            return ReloadDone(0, self._generation, f"lvsha: {text} process: see its log", 1)
        return ReloadDone(0, self._generation)

    def _reject(self, error: Exception, report: str, exit_code: int) -> ReloadDone:
        mistakes = [str(mistake) for mistake in getattr(error, "mistakes", ())] or [str(error)]
        log.error("config.rejected", generation=self._generation, mistakes=mistakes)
        return ReloadDone(0, self._generation, report, exit_code)

    async def _reload_on_signal(self) -> None:
        await self.reload()

    async def _answer_reload(self, request: int) -> None:
        self._director.send(replace(await self.reload(), request=request))

    def _director_started(self) -> None:
        self._configured["director"] = 0
        self._director.send(self._director_message())
        self._director.send(self._vrrp_status)
        self._director.send(self._last_reload)
        self._tell_pids()

    def _vrrp_started(self) -> None:
        self._configured["vrrp"] = 0
        if self._table_generation:
            self._tell_vrrp()
        self._tell_pids()

    def _vrrp_ended(self) -> None:
        """What it said last holds no longer."""
        self._configured["vrrp"] = 0
        self._show(absent(self._vrrp_status))
        self._tell_pids()

    def _show(self, status: VrrpStatus) -> None:
        self._vrrp_status = status
        self._director.send(status)

    def _tell_pids(self) -> None:
        self._director.send(Processes(os.getpid(), self._vrrp.pid, self._director.pid))

    def _director_message(self) -> Configure:
        return Configure(self._generation, self._plans.director)

    def _tell_vrrp(self) -> None:
        """What it needs to know comes before what it is to do with it."""
        self._bearing.repeat(self._plans.vrrp)
        self._vrrp.send(Configure(self._generation, self._plans.vrrp))

    def _director_ended(self) -> None:
        if not self._stopping:
            self._bearing.director_ended()

    def _from_vrrp(self, message: Message) -> None:
        match message:
            case Configured(generation):
                self._note_configured("vrrp", generation)
            case VrrpStatus():
                if self._configured["vrrp"]:  # before its plan it knows of no router
                    self._show(message)
            case FailoverDone():
                self._director.send(message)
            case _:
                log.error("message.unexpected", process="vrrp", message=type(message).__name__)

    def _from_director(self, message: Message) -> None:
        match message:
            case Configured(generation):
                self._note_configured("director", generation)
                self._bearing.director_works()
            case Alive():
                pass  # whoever watches over it has heard
            case Track():
                self._bearing.heard(message)
            case Failover():
                self._vrrp.send(message)
            case ReloadRequested(request):
                spawn("reload", self._answer_reload(request))
            case _:
                log.error("message.unexpected", process="director", message=type(message).__name__)

    def _note_configured(self, name: str, generation: int) -> None:
        self._configured[name] = generation
        self._progress.set()


async def _feed_watchdog() -> None:
    interval = sdnotify.watchdog_interval()
    while interval:
        sdnotify.notify("WATCHDOG=1")
        await asyncio.sleep(interval)
