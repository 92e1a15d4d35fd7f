"""The routes and rules of one virtual router: there while it is master, gone before it is not."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from lvsha.core.moving import VirtualRoute, VirtualRule
from lvsha.core.plan import VirtualRouter
from lvsha.errors import KernelError
from lvsha.kernel.ports import Routing
from lvsha.runtime.logs import log
from lvsha.runtime.tasks import spawn
from lvsha.vrrp.observations import OncePerMinute

Path: TypeAlias = VirtualRoute | VirtualRule

RETRY = 1.0
"""Seconds until what the kernel refused is tried again."""

LOOK = 2.0
"""Seconds between looks whether somebody else took one away."""

_GONE = (errno.ESRCH, errno.ENOENT, errno.ENODEV, errno.ENETDOWN)


class PathHolder:
    """`ready` is awaited before anything is added: a route needs the addresses first."""

    def __init__(self, router: str, routing: Routing, ready: Callable[[], Awaitable[None]]) -> None:
        self._router = router
        self._routing = routing
        self._ready = ready
        self._interface = ""
        self._wanted: tuple[Path, ...] = ()
        self._held: list[tuple[str, Path]] = []
        self._work: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._said = OncePerMinute()

    def own(self, vr: VirtualRouter, master: bool) -> None:
        """From now on those of `vr`, or none."""
        self._interface = vr.interface
        self._wanted = (*vr.routes, *vr.rules) if master else ()
        if self._work is None and (self._wanted or self._held):
            self._work = spawn(f"routes of {self._router}", self._settle())

    async def withdraw(self, vr: VirtualRouter) -> None:
        """Take off what a crashed predecessor left."""
        left: tuple[Path, ...] = (*vr.routes, *vr.rules)
        self._held = [(vr.interface, path) for path in left]
        self.own(vr, master=False)
        await self.settled()

    async def settled(self) -> None:
        """Return when there is what should be, or the kernel has refused it."""
        if self._work is not None:
            await asyncio.wait([self._work], timeout=RETRY)

    async def _settle(self) -> None:
        try:
            while not self._is_settled():
                refused = await self._remove() or await self._add()
                await asyncio.sleep(RETRY if refused else 0)
        finally:
            self._work = None
            self._look_later()

    def _look_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(LOOK, self._look) if self._held else None

    def _look(self) -> None:
        if self._work is None:
            self._work = spawn(f"routes of {self._router}", self._repair())

    async def _repair(self) -> None:
        """The kernel has each once: it takes what is missing, and refuses the others."""
        for item in tuple(self._held):
            try:
                await self._routing.add(*item)
            except KernelError as error:
                if error.errno != errno.EEXIST:
                    self._held.remove(item)
            else:
                log.warning("vrrp.drift", router=self._router, removed=str(item[1]))
        await self._settle()

    def _is_settled(self) -> bool:
        return self._held == [(self._interface, path) for path in self._wanted]

    async def _remove(self) -> bool:
        """Rules first: they must not lead into an empty table. True where one was refused."""
        wanted = [(self._interface, path) for path in self._wanted]
        for item in reversed(self._held.copy()):
            if item not in wanted:
                try:
                    await self._routing.remove(*item)
                except KernelError as error:
                    if error.errno not in _GONE:
                        return self._complain("remove", item[1], error)
                self._held.remove(item)
        return False

    async def _add(self) -> bool:
        wanted = [(self._interface, path) for path in self._wanted]
        if wanted:
            await self._ready()
        for item in wanted:
            if item in self._held or item[1] not in self._wanted:
                continue
            try:
                await self._routing.add(*item)
            except KernelError as error:
                if error.errno != errno.EEXIST:
                    return self._complain("add", item[1], error)
            self._held.append(item)
        self._held.sort(key=lambda item: wanted.index(item) if item in wanted else -1)
        return False

    def _complain(self, verb: str, path: Path, error: KernelError) -> bool:
        """Always True."""
        if self._said.allows((verb, path, error.errno), asyncio.get_running_loop().time()):
            log.error("kernel.error", router=self._router, what=f"{verb} {path}", error=str(error))
        return True
