"""What the VRRP process tells of its routers: soon after every change, and now and then.

250 routers take milliseconds to describe, and an advertisement may be due: it is done in slices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import suppress

from lvsha.core.messages import status_line, status_part
from lvsha.runtime.channel import Channel
from lvsha.runtime.slices import sliced
from lvsha.vrrp.observations import Lateness
from lvsha.vrrp.router import RunningRouter

STATUS_INTERVAL = 2.0
STATUS_SPACING = 0.05
"""Least seconds between two statuses, however much changes."""

LOOK = 0.5
"""Seconds between looks whether anything unusual was counted. A flood of packets is no change."""

SLICE = 0.001
"""Seconds of describing before the loop gets its turn."""


class Reporter:
    """`routers` are the ones to tell of, as they are at the time."""

    def __init__(
        self, channel: Channel, routers: Collection[RunningRouter], lateness: Lateness
    ) -> None:
        self._channel = channel
        self._routers = routers
        self._lateness = lateness
        self._news = asyncio.Event()
        self._told = 0

    def soon(self) -> None:
        """Something changed."""
        self._news.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            self._news.clear()
            told, counted = self._told, self._counted()
            parts = [status_part(each.status()) async for each in sliced(self._now(), SLICE)]
            if told == self._told:  # else what was told in between is newer
                self._send(parts)
            await asyncio.sleep(STATUS_SPACING)
            with suppress(TimeoutError):
                async with asyncio.timeout(STATUS_INTERVAL - STATUS_SPACING):
                    await self._until_counted(counted)

    async def _until_counted(self, before: int) -> None:
        """Until there is news, or more was counted than `before`."""
        while not self._news.is_set() and self._counted() == before:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):
                    await self._news.wait()

    def _counted(self) -> int:
        return sum(router.unusual for router in self._routers)

    def tell(self) -> None:
        """Everything at once: somebody is about to act on it, or nothing else is left to do."""
        self._told += 1
        self._send([status_part(each.status()) for each in self._now()])

    def _now(self) -> tuple[RunningRouter, ...]:
        return tuple(self._routers)

    def _send(self, parts: list[str]) -> None:
        self._channel.send_line(status_line(parts, self._lateness.quantiles()))
