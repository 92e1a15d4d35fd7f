"""Destinations on their way out: no new connections, removed when theirs are gone or time is up.

Kept in the runtime directory: the next director knows them for ours, and until when they stay.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lvsha.core.codec import decode, encode
from lvsha.core.draining import Drain, look
from lvsha.core.types import DestinationKey, DestinationStatus, Key
from lvsha.director.state_file import StateFile

FILE_NAME = "draining.json"

Target = tuple[Key, DestinationKey]

Drained = Mapping[DestinationKey, DestinationStatus | None]
"""Each with what it had at the last look; None: the kernel had it no more."""


class Drains:
    """All drains of a director.

    `on_begin` is called when there is a new one. `clock` counts seconds since the epoch:
    deadlines outlive us.
    """

    def __init__(
        self,
        runtime_dir: Path,
        on_begin: Callable[[], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._file = StateFile(runtime_dir / FILE_NAME)
        self._on_begin = on_begin
        self._clock = clock
        self._drains: dict[Key, dict[DestinationKey, Drain]] = {}
        found = self._file.load()
        try:
            for (key, destination), drain in _understood(found or {"draining": []}):
                self._drains.setdefault(key, {})[destination] = drain
        except (KeyError, TypeError, ValueError) as error:
            self._drains = {}
            self._file.reject(error)

    @property
    def keys(self) -> tuple[Key, ...]:
        """Services in which something drains."""
        return tuple(self._drains)

    def of(self, key: Key) -> Mapping[DestinationKey, Drain]:
        """What drains in a service, with the deadlines."""
        return self._drains.get(key, {})

    def has(self, key: Key, destination: DestinationKey) -> bool:
        return destination in self._drains.get(key, ())

    def begin(self, targets: Iterable[tuple[Target, float]]) -> None:
        """Drain these from now on, each for so many seconds at most; those that do, go on."""
        now = self._clock()
        new = [each for each in targets if not self.has(*each[0])]
        for (key, destination), timeout in new:
            self._drains.setdefault(key, {})[destination] = Drain(now + timeout)
        if new:
            self._save()
            self._on_begin()

    def end(self, targets: Iterable[Target]) -> None:
        """Drain these no longer: they serve again, or are gone."""
        ended = [target for target in targets if self.has(*target)]
        for key, destination in ended:
            del self._drains[key][destination]
            if not self._drains[key]:
                del self._drains[key]
        if ended:
            self._save()

    def keep_only(self, wanted: Iterable[tuple[Target, float]]) -> None:
        """Drain exactly these, those under way with the deadlines they have."""
        listed = list(wanted)
        targets = {target for target, _ in listed}
        present = [(key, each) for key, drains in self._drains.items() for each in drains]
        self.end(target for target in present if target not in targets)
        self.begin(listed)

    def look(self, key: Key, statuses: Iterable[DestinationStatus]) -> Drained:
        """What has drained in a service, as the kernel has it; it is among the drains no more."""
        found = {status.destination.key: status for status in statuses}
        now = self._clock()
        drained: dict[DestinationKey, DestinationStatus | None] = {}
        for destination, drain in tuple(self._drains.get(key, {}).items()):
            seen = look(drain, found.get(destination), now)
            if seen is None:
                drained[destination] = found.get(destination)
            else:
                self._drains[key][destination] = seen
        self.end((key, destination) for destination in drained)
        return drained

    def _save(self) -> None:
        self._file.save(
            {
                "draining": [
                    {
                        "service": encode(key),
                        "server": encode(destination),
                        "deadline": drain.deadline,
                    }
                    for key, drains in self._drains.items()
                    for destination, drain in drains.items()
                ]
            }
        )


def _understood(found: dict[str, Any]) -> Iterator[tuple[Target, Drain]]:
    for item in found["draining"]:
        target = decode(Key, item["service"]), decode(DestinationKey, item["server"])
        yield target, Drain(float(item["deadline"]))
