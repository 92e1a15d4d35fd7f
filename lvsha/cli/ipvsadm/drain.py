"""`--wait` on a delete: weight 0 first, so that what is to go can finish what it has."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from lvsha.core.commands import Command, DeleteDestination, DeleteService, SetDestination
from lvsha.core.ipvsadm.request import Change
from lvsha.core.types import DestinationStatus, Key
from lvsha.errors import KernelError
from lvsha.kernel.ports import Ipvs

PERIOD = 0.5
"""Seconds between two looks at the connections."""


def drain(
    ipvs: Ipvs,
    change: Change,
    apply: Callable[[list[Command]], object],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Quiesce what `change` deletes and wait until it has no connection, or for its deadline.

    What is not there to be drained is for the delete itself to complain about.
    """
    start = clock()
    going = _going(ipvs, change.command)
    if isinstance(change.command, DeleteService | DeleteDestination):
        key = _service(change.command)
        quiesced = [replace(each.destination, weight=0) for each in going]
        apply([SetDestination(key, each) for each in quiesced])
    while _busy(_going(ipvs, change.command)):
        if change.deadline is not None and clock() - start >= change.deadline:
            return
        sleep(PERIOD)


def _going(ipvs: Ipvs, command: Command) -> tuple[DestinationStatus, ...]:
    try:
        match command:
            case DeleteService(key):
                return ipvs.destinations(key)
            case DeleteDestination(key, server):
                found = ipvs.destinations(key)
                return tuple(each for each in found if each.destination.key == server)
            case _:
                return ()
    except KernelError:
        return ()


def _service(command: DeleteService | DeleteDestination) -> Key:
    return command.key if isinstance(command, DeleteService) else command.service


def _busy(statuses: tuple[DestinationStatus, ...]) -> bool:
    return any(each.active_connections or each.inactive_connections for each in statuses)
