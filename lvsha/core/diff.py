"""Wanted table against actual table → the kernel commands between them, in a safe order.

Laws of this file: compared by value, so re-running is harmless; the order never blackholes —
new services, new and raised destinations, other changes, removals, services last; nothing is
deleted that is not in `owned` or inside a service that is wanted.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Set
from typing import assert_never

from lvsha.core.commands import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    SetDestination,
    SetService,
    TableCommand,
)
from lvsha.core.types import Destination, DestinationKey, IpvsTable, Key, ServiceEntry


def commands(
    wanted: IpvsTable, actual: IpvsTable, owned: Set[Key] = frozenset()
) -> tuple[TableCommand, ...]:
    """What turns `actual` into `wanted`. Services only in `actual` go if they are in `owned`.

    Deleting a service takes its destinations with it (ip_vs_ctl.c, ip_vs_unlink_service).
    """
    found: list[TableCommand] = []
    for key, entry in wanted.items():
        found += service_commands(entry, actual.get(key))
    found += [DeleteService(key) for key in actual if key in owned and key not in wanted]
    return tuple(sorted(found, key=rank))


def service_commands(wanted: ServiceEntry, actual: ServiceEntry | None) -> list[TableCommand]:
    """The same for one service, unordered but for its destinations' canonical order."""
    key = wanted.service.key
    if actual is None:
        return [
            AddService(wanted.service),
            *(AddDestination(key, dest) for dest in canonical(wanted.destinations.values())),
        ]
    if wanted == actual:
        return []
    found: list[TableCommand] = []
    if wanted.service != actual.service:
        found.append(SetService(wanted.service))
    for dest in canonical(wanted.destinations.values()):
        found += destination_commands(key, dest, actual.destinations.get(dest.key))
    found += [
        DeleteDestination(key, dest)
        for dest in actual.destinations
        if dest not in wanted.destinations
    ]
    return found


def destination_commands(
    service: Key, wanted: Destination | None, actual: Destination | None
) -> list[TableCommand]:
    """The same for one destination: at most one command."""
    if wanted == actual:
        return []
    if wanted is None:
        return [DeleteDestination(service, actual.key)] if actual else []
    if actual is None:
        return [AddDestination(service, wanted)]
    return [SetDestination(service, wanted)]


def canonical(destinations: Iterable[Destination]) -> list[Destination]:
    """By address and port: `mh` builds its table in insertion order, so both directors use one."""
    return sorted(destinations, key=lambda dest: _order(dest.key))


def applied(table: IpvsTable, done: Iterable[TableCommand]) -> dict[Key, ServiceEntry]:
    """The table after the kernel carried out `done`; `table` itself is left as it was."""
    after = {
        key: ServiceEntry(entry.service, dict(entry.destinations)) for key, entry in table.items()
    }
    for command in done:
        apply_one(after, command)
    return after


def apply_one(table: dict[Key, ServiceEntry], command: TableCommand) -> None:
    """Carry one command into a table whose entries hold dicts."""
    match command:
        case AddService(service):
            table[service.key] = ServiceEntry(service, {})
        case SetService(service):
            table[service.key] = ServiceEntry(service, table[service.key].destinations)
        case DeleteService(key):
            table.pop(key, None)
        case AddDestination(key, dest) | SetDestination(key, dest):
            _destinations(table, key)[dest.key] = dest
        case DeleteDestination(key, dest_key):
            _destinations(table, key).pop(dest_key, None)
        case _:
            assert_never(command)


def _destinations(table: dict[Key, ServiceEntry], key: Key) -> dict[DestinationKey, Destination]:
    destinations = table[key].destinations
    if not isinstance(destinations, dict):
        raise TypeError("the table's entries must hold dicts")
    return destinations


def in_order(found: Iterable[TableCommand]) -> tuple[list[TableCommand], list[TableCommand]]:
    """The safe order: first what lets connections in or makes ready to, then the rest."""
    ordered = sorted(found, key=rank)
    openings = bisect_right(ordered, _LAST_OPENING, key=rank)
    return ordered[:openings], ordered[openings:]


_LAST_OPENING = 1


def rank(command: TableCommand) -> int:
    """Position of a command in the safe order."""
    match command:
        case AddService() | SetService():
            return 0
        case AddDestination():
            return 1
        case SetDestination(_, dest):
            return 1 if dest.weight else 2
        case DeleteDestination():
            return 3
        case DeleteService():
            return 4
        case _:
            assert_never(command)


def _order(key: DestinationKey) -> tuple[int, int, int]:
    return key.address.version, int(key.address), key.port
