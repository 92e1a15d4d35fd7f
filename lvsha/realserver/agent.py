"""This machine as a real server: set up, undo, compare, and keep it that way.

`run` leaves everything in place when it ends: a restart of the agent must not take the VIP from
under established connections. `down` is the way back.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

from lvsha.core.plan import RealServerPlan
from lvsha.core.realserver import Step, Values, forget, items_to_read, remember, steps
from lvsha.errors import LvshaError
from lvsha.kernel.ports import Event
from lvsha.realserver.found import FoundFile
from lvsha.realserver.machine import Machine
from lvsha.runtime.logs import log
from lvsha.runtime.tasks import run_until_first_ends

CHECK_INTERVAL = 3.0
"""Seconds between two looks at the settings: the kernel tells nobody when one changes."""


async def up(plan: RealServerPlan, machine: Machine, runtime_dir: Path) -> tuple[str, ...]:
    """Bring the machine to the plan; what was changed, a line each.

    What is found is on disk before anything changes. VIPs the file no longer has go away.
    Raises HostError and KernelError; what was done until then stays, and another `up` goes on.
    """
    changed = await _apply(plan, machine, FoundFile(runtime_dir))
    lines = tuple(map(str, changed))
    log.info("realserver.applied", changed=lines)
    return lines


async def down(machine: Machine, runtime_dir: Path) -> tuple[str, ...]:
    """Restore exactly what the first `up` found; what was changed, a line each.

    A loaded tunnel module stays: other namespaces may be using it by now.
    """
    file = FoundFile(runtime_dir)
    found = file.load()
    undone = steps(None, found, await machine.values(items_to_read(None, found)))
    for step in undone:
        await machine.perform(step)
    file.save({})
    lines = tuple(map(str, undone))
    log.info("realserver.applied", changed=lines)
    return lines


async def check(plan: RealServerPlan, machine: Machine, runtime_dir: Path) -> tuple[str, ...]:
    """What differs from the plan, a line each; changes nothing and needs no root."""
    found = FoundFile(runtime_dir).load()
    facts = await machine.values(items_to_read(plan, found))
    return tuple(step.difference for step in steps(plan, found, facts))


async def run(plan: RealServerPlan, machine: Machine, runtime_dir: Path) -> None:
    """`up`, then repair whatever drifts, until SIGTERM or SIGINT."""
    stopped, woken = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    events = machine.addresses.events()  # from before `up`: no change goes unseen
    await up(plan, machine, runtime_dir)
    await run_until_first_ends(
        {
            "realserver.stop": _until(stopped),
            "realserver.events": _wake(woken, events),
            "realserver.repair": _repair(plan, machine, FoundFile(runtime_dir), woken),
        }
    )


async def _until(event: asyncio.Event) -> None:
    await event.wait()


async def _wake(woken: asyncio.Event, events: AsyncIterator[Event]) -> None:
    async for _ in events:
        woken.set()


async def _repair(
    plan: RealServerPlan, machine: Machine, file: FoundFile, woken: asyncio.Event
) -> None:
    complaint = ""
    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(woken.wait(), CHECK_INTERVAL)
        woken.clear()
        try:
            repaired = await _apply(plan, machine, file)
        except LvshaError as error:
            if str(error) != complaint:  # said once, not every few seconds
                log.error("kernel.error", error=str(error))
            complaint = str(error)
            continue
        complaint = ""
        if repaired:
            log.warning("realserver.drift", differed=[step.difference for step in repaired])


async def _apply(plan: RealServerPlan, machine: Machine, file: FoundFile) -> tuple[Step, ...]:
    found = file.load()
    facts = await machine.values(items_to_read(plan, found))
    if await machine.load_missing(steps(plan, found, facts)):
        facts = await machine.values(items_to_read(plan, found))
    differing = steps(plan, found, facts)
    _save(file, found, remembered := remember(plan, found, facts))
    for step in differing:
        await machine.perform(step)
    _save(file, remembered, forget(plan, remembered))
    return differing


def _save(file: FoundFile, before: Values, found: Values) -> None:
    if found != before:
        file.save(found)
