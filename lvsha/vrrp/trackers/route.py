"""Tracked routes: looked for when the kernel says that something changed, and now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from lvsha.core.tracking import Finding, TrackedRoute, Verdict
from lvsha.errors import KernelError
from lvsha.kernel.ports import Routing
from lvsha.runtime.logs import log
from lvsha.vrrp.observations import OncePerMinute

RECHECK = 1.0
"""Seconds between looks: the kernel does not tell of routes that go with their interface."""

PAUSE = 0.05
"""Least seconds between two looks."""

LEISURE = 20
"""Looking takes at most one part in so many of the time."""


async def follow(
    targets: frozenset[TrackedRoute],
    routing: Routing,
    found: Callable[[TrackedRoute, Finding], None],
) -> None:
    """Tell what is found of each route, until cancelled."""
    loop, changes, said = asyncio.get_running_loop(), routing.changes(), OncePerMinute()
    news = asyncio.ensure_future(anext(changes))
    try:
        while True:
            began = loop.time()
            for target in targets:
                try:
                    found(target, await _look(target, routing))
                except KernelError as error:  # what was believed stays so
                    if said.allows(error.errno, began):
                        log.warning("vrrp.unknown", target=str(target), reason=str(error))
            await asyncio.sleep(max(PAUSE, LEISURE * (loop.time() - began)))
            await asyncio.wait([news], timeout=RECHECK)
            if news.done():
                news = asyncio.ensure_future(anext(changes))
    finally:
        news.cancel()
        with suppress(asyncio.CancelledError):
            await news


async def _look(target: TrackedRoute, routing: Routing) -> Finding:
    if await routing.has_route(target.to):
        return Finding(Verdict.WELL, "is there")
    return Finding(Verdict.ILL, "is missing")
