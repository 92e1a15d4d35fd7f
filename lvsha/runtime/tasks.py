"""Named tasks: when an eternal one ends, the process ends in order, and says why."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from lvsha.runtime.logs import describe, log

_running: set[asyncio.Task[None]] = set()
"""The loop itself keeps no hold on its tasks: without this one might be collected half-way."""


async def run_until_first_ends(jobs: dict[str, Coroutine[Any, Any, None]]) -> None:
    """Run all jobs; at the end of the first cancel the others and re-raise what ended it."""
    tasks = [asyncio.create_task(job, name=name) for name, job in jobs.items()]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        if not task.cancelled() and (error := task.exception()):
            error.add_note(f"in task {task.get_name()}")
            raise error


def spawn(name: str, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A named background task whose failure is logged at once."""
    task = asyncio.create_task(job, name=name)
    _running.add(task)
    task.add_done_callback(_ended)
    return task


def _ended(task: asyncio.Task[None]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()):
        log.error("task.failed", task=task.get_name(), error=describe(error))
