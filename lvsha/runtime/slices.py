"""Long work on the loop that checks, in portions nobody notices."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")

SLICE = 0.005
"""Seconds of work before the loop gets its turn."""


async def sliced(items: Iterable[T], at_once: float = SLICE) -> AsyncIterator[T]:
    """The items in turn; the loop serves others whenever `at_once` seconds are used up."""
    began = time.monotonic()
    for item in items:
        yield item
        if time.monotonic() - began > at_once:
            await asyncio.sleep(0)
            began = time.monotonic()


async def in_slices(steps: Iterable[object], at_once: float = SLICE) -> None:
    """Go through steps to their end, the loop serving others in between."""
    async for _ in sliced(steps, at_once):
        continue
