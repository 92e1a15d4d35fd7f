"""The kernel's table as we last knew it: read from there, and kept up with what we did to it."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from lvsha.core import diff
from lvsha.core.commands import TableCommand, place
from lvsha.core.types import Destination, DestinationKey, Key, Service, ServiceEntry
from lvsha.errors import KernelError
from lvsha.kernel.ports import Ipvs


class KnownTable:
    """Services of ours, and foreign ones found at the start. What reads raises KernelError.

    `overtaken`: services that we have changed since the kernel last told of all of them.
    """

    def __init__(self, ipvs: Ipvs) -> None:
        self._ipvs = ipvs
        self._adopted = False
        self.overtaken: set[Key] = set()
        self.entries: dict[Key, ServiceEntry] = {}

    def adopt(self) -> None:
        """Read all of it, once."""
        if not self._adopted:
            self.entries = {
                key: ServiceEntry(entry.service, dict(entry.destinations))
                for key, entry in self._ipvs.table().items()
            }
            self._adopted = True

    def services(self) -> dict[Key, Service]:
        """All that the kernel has now."""
        self.overtaken.clear()
        return {status.service.key: status.service for status in self._ipvs.services()}

    def learn(self, key: Key, service: Service | None) -> ServiceEntry | None:
        """Read the destinations of a service the kernel has just told of; None: it is gone."""
        believed, now = self.entries.get(key), None
        for _, found in self._ipvs.read((key,), counters=False) if service else ():
            if service and found is not None:
                now = _entry(service, [status.destination for status in found], believed)
        # Only now: after a reading that failed we know what we knew.
        if now is None:
            self.entries.pop(key, None)
        else:
            self.entries[key] = now
        return now

    def learn_anew(self, key: Key) -> ServiceEntry | None:
        """The same for one of which the kernel has told nothing."""
        try:
            service = self._ipvs.service(key).service
        except KernelError as error:
            if error.errno != errno.ESRCH:
                raise
            service = None
        return self.learn(key, service)

    def serving(self, key: Key) -> set[DestinationKey]:
        """Whom a service gives new connections."""
        entry = self.entries.get(key)
        return {each.key for each in entry.destinations.values() if each.weight} if entry else set()

    def did(self, command: TableCommand) -> None:
        """The kernel has carried this out."""
        diff.apply_one(self.entries, command)
        key, dest = place(command)
        if dest is None:
            self.overtaken.add(key)


def _entry(
    service: Service, told: Sequence[Destination], believed: ServiceEntry | None
) -> ServiceEntry:
    """What is as it was is not put together again: that is most of a table."""
    if believed and believed.service == service and [*believed.destinations.values()] == told:
        return believed
    return ServiceEntry(service, {destination.key: destination for destination in told})
