"""Commands tried on a copy of the table, with the kernel's errnos for what does not fit."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from lvsha.core import diff
from lvsha.core.commands import (
    AddDestination,
    AddService,
    Command,
    DeleteDestination,
    DeleteService,
    Flush,
    Refusal,
    SetDestination,
    SetService,
    SetTimeouts,
    StartDaemon,
    StopDaemon,
    TableCommand,
    Zero,
)
from lvsha.core.types import (
    Destination,
    DestinationKey,
    Forwarding,
    IpvsTable,
    ServiceEntry,
    SyncDaemon,
)


def tried(
    table: IpvsTable, commands: Sequence[Command]
) -> tuple[IpvsTable, tuple[Command, ...], tuple[Refusal, ...]]:
    """The table after them, the commands that are not about the table, and what was refused.

    Only existence is judged; addresses, schedulers and limits are for the kernel to know.
    """
    after = diff.applied(table, ())
    others: list[Command] = []
    refused: list[Refusal] = []
    for command in commands:
        match command:
            case Flush():
                after.clear()
            case SetTimeouts() | StartDaemon() | StopDaemon() | Zero():
                others.append(command)
            case _:
                code = _objection(after, command)
                if code:
                    refused.append(Refusal(command, code, ""))
                else:
                    diff.apply_one(after, command)
    return after, tuple(others), tuple(refused)


def difference(
    wanted: IpvsTable,
    actual: IpvsTable,
    others: Sequence[Command],
    running: Sequence[SyncDaemon],
) -> list[Command]:
    """What turns `actual` into `wanted`, and the other commands that are still needed.

    ipvsadm saves a destination on this very machine as one reached by DR: it counts as equal.
    """
    local = {key: _as_found(entry, actual.get(key)) for key, entry in wanted.items()}
    needed: list[Command] = list(diff.commands(local, actual, frozenset(actual)))
    for command in others:
        if isinstance(command, StartDaemon):
            found = [each for each in running if each.role is command.daemon.role]
            if found and _same(command.daemon, found[0]):
                continue
            needed += [StopDaemon(each) for each in found]
        needed.append(command)
    return needed


def _objection(table: IpvsTable, command: TableCommand) -> int:
    server: DestinationKey | None = None
    match command:
        case AddService(service) | SetService(service):
            key = service.key
        case DeleteService(key):
            pass
        case AddDestination(key, destination) | SetDestination(key, destination):
            server = destination.key
        case DeleteDestination(key, server):
            pass
        case _:
            assert_never(command)
    if server is not None and key not in table:
        return errno.ESRCH
    there = key in table if server is None else server in table[key].destinations
    if isinstance(command, AddService | AddDestination):
        return errno.EEXIST if there else 0
    missing = errno.ESRCH if server is None else errno.ENOENT
    return 0 if there else missing


def _as_found(wanted: ServiceEntry, actual: ServiceEntry | None) -> ServiceEntry:
    if actual is None:
        return wanted
    return ServiceEntry(
        wanted.service,
        {
            key: _local_as_found(destination, actual.destinations.get(key))
            for key, destination in wanted.destinations.items()
        },
    )


def _local_as_found(wanted: Destination, actual: Destination | None) -> Destination:
    if actual and actual.forwarding is Forwarding.LOCAL and wanted.forwarding is Forwarding.DR:
        return replace(wanted, forwarding=Forwarding.LOCAL)
    return wanted


def _same(wanted: SyncDaemon, found: SyncDaemon) -> bool:
    """Whether a running daemon is the one asked for; what was not said may be anything."""
    return (
        wanted.interface == found.interface
        and wanted.sync_id == found.sync_id
        and wanted.max_length in (0, found.max_length)
        and wanted.group in (None, found.group)
        and wanted.port in (0, found.port)
        and wanted.ttl in (0, found.ttl)
    )
