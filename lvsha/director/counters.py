"""Connection counts and traffic counters of our services, read from the kernel when asked for.

Reading 10,000 destinations takes a while, so it is done in slices, once for everybody who asks
within a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from lvsha.core.types import DestinationKey, DestinationStatus, Key, ServiceStatus
from lvsha.errors import KernelError
from lvsha.kernel.ports import Ipvs
from lvsha.runtime.slices import sliced

_FRESH = 1.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What the kernel counted, by service and destination."""

    services: Mapping[Key, ServiceStatus] = field(default_factory=dict)
    destinations: Mapping[Key, Mapping[DestinationKey, DestinationStatus]] = field(
        default_factory=dict
    )


class Counters:
    """Reads, remembers for a second."""

    def __init__(self, ipvs: Ipvs) -> None:
        self._ipvs = ipvs
        self._lock = asyncio.Lock()
        self._reading = Reading()
        self._read_at = float("-inf")

    async def read(self, keys: Iterable[Key]) -> Reading:
        """Counters of these services; the last ones when the kernel can't be read."""
        async with self._lock:
            if time.monotonic() - self._read_at > _FRESH:
                try:
                    self._reading = await self._read(tuple(keys))
                except KernelError:
                    return self._reading
                self._read_at = time.monotonic()
            return self._reading

    async def _read(self, keys: tuple[Key, ...]) -> Reading:
        services = {status.service.key: status for status in self._ipvs.services()}
        destinations: dict[Key, dict[DestinationKey, DestinationStatus]] = {}
        async for key in sliced(keys):
            if key in services:
                found = self._ipvs.destinations(key)
                destinations[key] = {status.destination.key: status for status in found}
        return Reading(services, destinations)
