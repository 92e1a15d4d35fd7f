"""What can be asked of the kernel's IPVS table, as values; `kernel` carries them out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from lvsha.core.types import Destination, DestinationKey, Key, Service, SyncDaemon, Timeouts


@dataclass(frozen=True, slots=True)
class AddService:
    """A new virtual service."""

    service: Service


@dataclass(frozen=True, slots=True)
class SetService:
    """All of an existing service's attributes anew."""

    service: Service


@dataclass(frozen=True, slots=True)
class DeleteService:
    """A service with its destinations."""

    key: Key


@dataclass(frozen=True, slots=True)
class AddDestination:
    """A new destination of a service."""

    service: Key
    destination: Destination


@dataclass(frozen=True, slots=True)
class SetDestination:
    """All of an existing destination's attributes anew."""

    service: Key
    destination: Destination


@dataclass(frozen=True, slots=True)
class DeleteDestination:
    """One destination of a service."""

    service: Key
    key: DestinationKey


@dataclass(frozen=True, slots=True)
class Zero:
    """Zero the counters of one service, or of all."""

    service: Key | None = None


@dataclass(frozen=True, slots=True)
class Flush:
    """Empty the whole table: nobody but an operator asks for this."""


@dataclass(frozen=True, slots=True)
class SetTimeouts:
    """Connection timeouts; 0 leaves one untouched."""

    timeouts: Timeouts


@dataclass(frozen=True, slots=True)
class StartDaemon:
    """A synchronisation daemon, from now on."""

    daemon: SyncDaemon


@dataclass(frozen=True, slots=True)
class StopDaemon:
    """The synchronisation daemon of this role."""

    daemon: SyncDaemon


TableCommand: TypeAlias = (
    AddService | SetService | DeleteService | AddDestination | SetDestination | DeleteDestination
)
Command: TypeAlias = TableCommand | Zero | Flush | SetTimeouts | StartDaemon | StopDaemon


Place: TypeAlias = tuple[Key, DestinationKey | None]
"""A place in the table: a destination of a service, or (None) the service itself."""


def place(command: Command) -> Place:
    """Where a table command acts. TypeError for one that acts on no place of the table."""
    match command:
        case AddService(service) | SetService(service):
            return service.key, None
        case DeleteService(key):
            return key, None
        case AddDestination(key, dest) | SetDestination(key, dest):
            return key, dest.key
        case DeleteDestination(key, dest_key):
            return key, dest_key
        case _:
            raise TypeError(f"not a table command: {command}")


def tally(commands: Iterable[TableCommand]) -> dict[str, int]:
    """How many services and destinations commands add, change and remove."""
    counts = {"added": 0, "changed": 0, "removed": 0}
    for command in commands:
        match command:
            case AddService() | AddDestination():
                counts["added"] += 1
            case SetService() | SetDestination():
                counts["changed"] += 1
            case DeleteService() | DeleteDestination():
                counts["removed"] += 1
            case _:
                assert_never(command)
    return counts


@dataclass(frozen=True, slots=True)
class Refusal:
    """A command the kernel did not carry out: its errno, and its own words where it gave any."""

    command: Command
    errno: int
    text: str
