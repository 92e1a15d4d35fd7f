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
from pathlib import Path
from typing import Protocol

from lvsha import __version__
from lvsha.core.messages import (
    Configure,
    Configured,
    Message,
    Processes,
    ReloadDone,
    ReloadRequested,
    VrrpStatus,
)
from lvsha.core.plan import DirectorPlan, VrrpPlan
from lvsha.errors import LvshaError
from lvsha.runtime import sdnotify
from lvsha.runtime.logs import log
from lvsha.runtime.tasks import run_until_first_ends, spawn
from lvsha.supervisor.child import Child

TABLE_TIMEOUT = 10.0
"""Seconds VRRP waits for the director's table before it starts without."""


class Plans(Protocol):
    """What the file resolves to for this node."""

    @property
    def vrrp(self) -> VrrpPlan: ...

    @property
    def director(self) -> DirectorPlan: ...


class Supervisor:
    """`load` reads and resolves the file again; it raises LvshaError for a bad one."""

    def __init__(self, plans: Plans, load: Callable[[], Plans], runtime_dir: Path) -> None:
        self._plans = plans
        self._load = load
        self._generation = 1
        self._table_generation = 0
        self._configured: dict[str, int] = {"vrrp": 0, "director": 0}
        self._progress = asyncio.Condition()
        self._reloading = asyncio.Lock()
        self._vrrp_status: VrrpStatus | None = None
        context = ("--cluster", plans.director.cluster, "--node", plans.director.node)
        self._vrrp = Child("vrrp", context, self._vrrp_started, self._from_vrrp)
        self._director = Child(
            "director",
            (*context, "--runtime-dir", str(runtime_dir)),
            self._director_started,
            self._from_director,
        )

    async def run(self) -> None:
        """Until SIGTERM or SIGINT. SIGHUP reads the file again."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: spawn("reload", self._reload_on_signal()))
        jobs = {
            "vrrp": self._vrrp.run(),
            "director": self._director.run(),
            "start": self._start(stop),
        }
        await run_until_first_ends(jobs)

    async def _start(self, stop: asyncio.Event) -> None:
        log.info("daemon.started", version=__version__, pid=os.getpid())
        rollout = spawn("rollout", self._roll_out_and_say_ready())
        beat = spawn("watchdog", _feed_watchdog())
        await stop.wait()
        sdnotify.notify("STOPPING=1")
        rollout.cancel()
        beat.cancel()
        await self._vrrp.stop()
        await self._director.stop()
        log.info("daemon.stopped")

    async def _roll_out_and_say_ready(self) -> None:
        await self._roll_out()
        sdnotify.notify("READY=1", f"STATUS=generation {self._generation} in force")

    async def _roll_out(self) -> None:
        """Give both children this generation, the director first; wait until they have it."""
        self._director.send(self._director_message())
        if not await self._reached("director"):
            log.warning("director.slow", note="VRRP goes ahead without waiting for the table")
        self._table_generation = self._generation
        self._vrrp.send(self._vrrp_message())
        await self._reached("vrrp")

    async def _reached(self, name: str) -> bool:
        try:
            async with asyncio.timeout(TABLE_TIMEOUT), self._progress:
                await self._progress.wait_for(lambda: self._configured[name] >= self._generation)
        except TimeoutError:
            return False
        return True

    async def reload(self) -> str:
        """Read the file again and put it in force; the error's text, or "" when all is well."""
        async with self._reloading:
            try:
                plans = await asyncio.to_thread(self._load)
            except LvshaError as error:
                log.error("config.rejected", generation=self._generation, error=str(error))
                return str(error)
            self._plans = plans
            self._generation += 1
            await self._roll_out()
            log.info("config.reloaded", generation=self._generation)
            return ""

    async def _reload_on_signal(self) -> None:
        sdnotify.notify("RELOADING=1")
        await self.reload()
        sdnotify.notify("READY=1", f"STATUS=generation {self._generation} in force")

    async def _answer_reload(self, request: int) -> None:
        error = await self.reload()
        self._director.send(ReloadDone(request, self._generation, error))

    def _director_started(self) -> None:
        self._configured["director"] = 0
        self._director.send(self._director_message())
        if self._vrrp_status is not None:
            self._director.send(self._vrrp_status)
        self._tell_pids()

    def _vrrp_started(self) -> None:
        self._configured["vrrp"] = 0
        if self._table_generation:
            self._vrrp.send(self._vrrp_message())
        self._tell_pids()

    def _tell_pids(self) -> None:
        self._director.send(Processes(os.getpid(), self._vrrp.pid, self._director.pid))

    def _director_message(self) -> Configure:
        return Configure(self._generation, self._plans.director)

    def _vrrp_message(self) -> Configure:
        return Configure(self._generation, self._plans.vrrp)

    def _from_vrrp(self, message: Message) -> None:
        match message:
            case Configured(generation):
                self._note_configured("vrrp", generation)
            case VrrpStatus():
                self._vrrp_status = message
                self._director.send(message)
            case _:
                log.error("message.unexpected", process="vrrp", message=type(message).__name__)

    def _from_director(self, message: Message) -> None:
        match message:
            case Configured(generation):
                self._note_configured("director", generation)
            case ReloadRequested(request):
                spawn("reload", self._answer_reload(request))
            case _:
                log.error("message.unexpected", process="director", message=type(message).__name__)

    def _note_configured(self, name: str, generation: int) -> None:
        self._configured[name] = generation
        spawn("progress", self._say_progress())

    async def _say_progress(self) -> None:
        async with self._progress:
            self._progress.notify_all()


async def _feed_watchdog() -> None:
    interval = sdnotify.watchdog_interval()
    while interval:
        sdnotify.notify("WATCHDOG=1")
        await asyncio.sleep(interval)
