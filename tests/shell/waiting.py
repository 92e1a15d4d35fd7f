"""Waiting for what happens on its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE = 20.0
"""Seconds after which what should happen is taken not to happen."""


async def until(holds: Callable[[], object]) -> None:
    """Return once `holds` is true. TimeoutError when it stays false."""
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await asyncio.sleep(0.01)
