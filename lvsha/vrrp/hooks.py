"""Telling a program of every change of state: one run at a time, and the last state always told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from lvsha.core.mastership import State
from lvsha.core.messages import HookStatus
from lvsha.core.moving import Hook
from lvsha.runtime.logs import log
from lvsha.runtime.tasks import spawn
from lvsha.vrrp.running import Ended, run


class _Change(NamedTuple):
    hook: Hook
    old: State
    new: State


class HookQueue:
    """What one virtual router's program is still to be told. `changed`: the status has news.

    Changes that come while it runs become one, from what it was told last to what holds now;
    none, where that is the same.
    """

    def __init__(self, router: str, changed: Callable[[], None]) -> None:
        self._router = router
        self._changed = changed
        self._waiting: _Change | None = None
        self._told: State | None = None
        self._work: asyncio.Task[None] | None = None
        self.status: HookStatus | None = None

    def tell(self, hook: Hook | None, old: State, new: State) -> None:
        """Have the program told as soon as it has time; None: there is none."""
        if hook is None:
            self._waiting = None
            return
        old = self._told or old if self._waiting is None else self._waiting.old
        self._waiting = _Change(hook, old, new)
        if self._work is None:
            self._work = spawn(f"hook of {self._router}", self._run())

    async def idle(self) -> None:
        """Return when everything is told."""
        while self._work is not None:
            await asyncio.wait([self._work])

    async def _run(self) -> None:
        try:
            while (change := self._next()) is not None:
                self._told = change.new
                await self._tell(change)
        finally:
            self._work = None
            self._told = None

    def _next(self) -> _Change | None:
        """What is to be told, if it is not what was told last."""
        change, self._waiting = self._waiting, None
        return None if change is None or change.new is self._told else change

    async def _tell(self, change: _Change) -> None:
        loop, hook = asyncio.get_running_loop(), change.hook
        environment = {
            "LVSHA_ROUTER": self._router,
            "LVSHA_OLD": change.old.value,
            "LVSHA_NEW": change.new.value,
        }
        began = loop.time()
        ended = await run(hook.exec, hook.user, hook.timeout, environment)
        self.status = HookStatus(change.new.value, ended.code, ended.words)
        self._say(change, ended, loop.time() - began)
        self._changed()

    def _say(self, change: _Change, ended: Ended, elapsed: float) -> None:
        (log.info if ended.code == 0 else log.warning)(
            "vrrp.hook",
            router=self._router,
            old=change.old.value,
            new=change.new.value,
            exit_code=ended.code,
            reason=ended.words,
            elapsed_ms=round(elapsed * 1000, 1),
        )
