"""Whether so many targets fail at once that the fault is more likely this director's than theirs.

Only said, loudly: what is done about it is each service's `panic_threshold`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection

from lvsha.core.health import Measured
from lvsha.core.plan import Check
from lvsha.runtime.logs import log

AT_ONCE = 10.0
"""Seconds within which failures count as one event; longer where checks are rarer."""

FEW = 3
"""Fewer targets than this may well fail together."""


class Suspicion:
    """All targets of a director. `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.holds = False
        self._clock = clock
        self._targets = 0
        self._window = AT_ONCE
        self._down: set[Check] = set()
        self._falls: deque[tuple[float, Check]] = deque()

    def configure(self, checks: Collection[Check]) -> None:
        """Look at these targets from now on."""
        self._targets = len(checks)
        self._window = max([AT_ONCE, *(2 * check.interval for check in checks)])
        if self._down:
            self._down.intersection_update(checks)
        self._reconsider()

    def judged(self, check: Check, old: Measured, new: Measured) -> None:
        """A target's health changed."""
        if new is Measured.DOWN:
            self._down.add(check)
            if old is Measured.UP:
                now = self._clock()
                self._falls.append((now, check))
                while self._falls[0][0] < now - self._window:
                    self._falls.popleft()
        else:
            self._down.discard(check)
        self._reconsider()

    def _reconsider(self) -> None:
        limit = max(self._targets / 2, FEW - 1)
        if self.holds:
            if len(self._down) <= limit:
                self.holds = False
                log.info("director.trusted", down=len(self._down), targets=self._targets)
            return
        if len(self._down) <= limit or len(self._falls) <= limit:
            return
        fallen = {check for _, check in self._falls} & self._down
        if len(fallen) > limit:
            self.holds = True
            log.error(
                "director.suspect",
                down=len(self._down),
                targets=self._targets,
                note="most targets failed at once: look for the fault on this director",
            )
