"""What can be asked of the kernel's IPVS table, as values; `kernel` carries them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from lvsha.core.types import Destination, DestinationKey, Key, Service, SyncDaemon, Timeouts


@dataclass(frozen=True, slots=True)
class AddService:
    service: Service


@dataclass(frozen=True, slots=True)
class SetService:
    service: Service


@dataclass(frozen=True, slots=True)
class DeleteService:
    key: Key


@dataclass(frozen=True, slots=True)
class AddDestination:
    service: Key
    destination: Destination


@dataclass(frozen=True, slots=True)
class SetDestination:
    service: Key
    destination: Destination


@dataclass(frozen=True, slots=True)
class DeleteDestination:
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
    timeouts: Timeouts


@dataclass(frozen=True, slots=True)
class StartDaemon:
    daemon: SyncDaemon


@dataclass(frozen=True, slots=True)
class StopDaemon:
    daemon: SyncDaemon


TableCommand: TypeAlias = (
    AddService | SetService | DeleteService | AddDestination | SetDestination | DeleteDestination
)
Command: TypeAlias = TableCommand | Zero | Flush | SetTimeouts | StartDaemon | StopDaemon


@dataclass(frozen=True, slots=True)
class Refusal:
    """A command the kernel did not carry out, with its errno and its own words where it gave any."""

    command: Command
    errno: int
    text: str
