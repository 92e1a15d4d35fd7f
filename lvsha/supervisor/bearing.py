"""What of the director bears on the election: its services' health, and whether it lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from lvsha.core.messages import Message, NodeFaults, Track
from lvsha.core.plan import VrrpPlan

GRACE = 10.0
"""Seconds a director may be gone before this node is not to be master: the kernel's table stays."""

GONE = "director is not running"


class Bearing:
    """`tell` reaches the VRRP process, if there is one. By level: `repeat` says all of it again."""

    def __init__(self, tell: Callable[[Message], None]) -> None:
        self._tell = tell
        self._services: dict[str, bool | None] = {}
        self._faults: tuple[str, ...] = ()
        self._timer: asyncio.TimerHandle | None = None
        self._tracked: frozenset[str] = frozenset()

    def director_ended(self) -> None:
        """Its time runs until one of its successors has a table in force."""
        if self._timer is None and not self._faults:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(GRACE, self._suspend, (GONE,))

    def director_works(self) -> None:
        """A plan is in force there."""
        self.close()
        self._suspend(())

    def heard(self, message: Track) -> None:
        """A service's health, which is passed on where a router tracks it."""
        self._services[message.service] = message.ok
        if message.service in self._tracked:
            self._tell(message)

    def repeat(self, plan: VrrpPlan) -> None:
        """Tell a VRRP process of this plan everything."""
        self._tracked = plan.tracked_services
        for name in sorted(self._tracked):
            self._tell(Track(name, self._services.get(name)))
        self._tell(NodeFaults(self._faults))

    def close(self) -> None:
        """No timer is left behind."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _suspend(self, faults: tuple[str, ...]) -> None:
        self._timer = None
        if faults != self._faults:
            self._faults = faults
            self._tell(NodeFaults(faults))
