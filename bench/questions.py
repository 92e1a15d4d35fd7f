"""What reading costs a director of 10,000 servers: a resync, a status, a scrape; what a reload
costs; and how long its loop stands still for each."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import uvloop

from bench.figures import Figure
from bench.stage import Stage, plan, stage
from lvsha.core.messages import Configure
from lvsha.core.plan import DirectorPlan

SERVICES, EACH = 1_000, 10
ROUNDS = 3
TICK = 0.001
RESYNC_INTERVAL = 2.0
Question = Callable[[Stage], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class Cost:
    """CPU seconds of one, and the worst lateness of a timer of the same loop meanwhile."""

    cpu: float = 0.0
    stall: float = 0.0


def figures() -> list[Figure]:
    return uvloop.run(_all())


async def _all() -> list[Figure]:
    found = []
    async with stage(plan(SERVICES, EACH)) as at:
        for what, question in (("status", _status), ("metrics", _metrics)):
            cost = Cost()
            for _ in range(ROUNDS):
                await asyncio.sleep(1.1)  # counters are read again after a second
                async with _watched(cost):
                    await question(at)
            found.append(_row(what, cost, ROUNDS))
        for what, weight in (("of which nothing changed", 1), ("of which every server changed", 2)):
            cost, told = Cost(), _weighing(plan(SERVICES, EACH), weight)
            gc.freeze()  # as a plan that comes over the channel
            async with _watched(cost):
                await at.director._take(Configure(2, told))
            found.append(_row(f"reload {what},", cost, 1))
    idle = Cost()
    async with stage(plan(SERVICES, EACH)), _watched(idle):
        await asyncio.sleep(ROUNDS * RESYNC_INTERVAL)
    async with stage(plan(SERVICES, EACH, RESYNC_INTERVAL)) as at:
        cost, before = Cost(), at.kernel.tables_read
        async with _watched(cost):
            await asyncio.sleep((ROUNDS + 0.5) * RESYNC_INTERVAL)
        assert at.kernel.sent == [], "a resync of a table that was right changed something"
        cost.cpu -= idle.cpu * (ROUNDS + 0.5) / ROUNDS
        found.append(_row("resync", cost, at.kernel.tables_read - before))
    return found


def _weighing(found: DirectorPlan, weight: int) -> DirectorPlan:
    """The plan with this weight for every server."""
    services = (
        replace(each, real_servers=tuple(replace(one, weight=weight) for one in each.real_servers))
        for each in found.services
    )
    return replace(found, services=tuple(services))


def _row(what: str, cost: Cost, rounds: int) -> Figure:
    words = f"{cost.cpu / rounds * 1e3:.0f} ms, {cost.stall * 1e3:.0f} ms"
    return Figure(f"{what} of {SERVICES * EACH:,} servers, CPU and worst stall", words)


async def _status(at: Stage) -> None:
    await _ask(at, "/status")


async def _metrics(at: Stage) -> None:
    await _ask(at, "/metrics")


async def _ask(at: Stage, what: str) -> None:
    words = (sys.executable, "-m", "bench.ask", str(at.socket), what)
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    answer, _ = await process.communicate()
    assert json.loads(answer)["servers"] >= SERVICES * EACH, answer


@asynccontextmanager
async def _watched(cost: Cost) -> AsyncIterator[None]:
    watch = asyncio.create_task(_watch(cost))
    await asyncio.sleep(2 * TICK)
    began = time.process_time()
    try:
        yield
        await asyncio.sleep(2 * TICK)  # a stall shows once it is over
    finally:
        watch.cancel()
        cost.cpu += time.process_time() - began


async def _watch(cost: Cost) -> None:
    while True:
        due = time.monotonic() + TICK
        await asyncio.sleep(TICK)
        cost.stall = max(cost.stall, time.monotonic() - due)
