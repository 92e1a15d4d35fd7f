"""Watches the event loop this process runs on, so that its own lateness is not blamed on others."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

TICK = 0.05
"""Seconds between two looks at the clock: a stall is seen to this precision."""

STALL = 0.05
"""Seconds of lateness from which a stall is remembered."""


class LagWitness:
    """Knows by how much the loop was late, and when."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._stalls: deque[tuple[float, float]] = deque(maxlen=256)
        self._due = clock() + TICK
        self._timer = self._loop.call_later(TICK, self._tick)
        self.lag = 0.0

    def worst_since(self, start: float) -> float:
        """Seconds of the longest stall that ended after `start`, one still lasting included."""
        worst = max(0.0, self._clock() - self._due)
        for end, lag in reversed(self._stalls):
            if end < start:
                break
            worst = max(worst, lag)
        return worst

    def close(self) -> None:
        self._timer.cancel()

    def _tick(self) -> None:
        now = self._clock()
        self.lag = max(0.0, now - self._due)
        if self.lag >= STALL:
            self._stalls.append((now, self.lag))
        self._due = now + TICK
        self._timer = self._loop.call_later(TICK, self._tick)
