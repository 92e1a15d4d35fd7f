"""What the supervisor itself has to say and do about a node's plans, while nobody else can."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from lvsha.core.mastership import State
from lvsha.core.messages import RouterStatus, VrrpStatus
from lvsha.core.plan import DirectorPlan, VirtualRouter, VrrpPlan
from lvsha.errors import KernelError
from lvsha.kernel.ports import Addresses
from lvsha.runtime.logs import log


class Plans(Protocol):
    """What the file resolves to for this node."""

    @property
    def vrrp(self) -> VrrpPlan: ...

    @property
    def director(self) -> DirectorPlan: ...


def undecided(plan: VrrpPlan) -> VrrpStatus:
    """Before the VRRP process has said anything."""
    return VrrpStatus(tuple(_undecided(plan)))


def _undecided(plan: VrrpPlan) -> Iterator[RouterStatus]:
    for vr in plan.routers:
        yield RouterStatus(
            name=vr.name,
            virtual_router_id=vr.virtual_router_id,
            interface=vr.interface,
            state=State.INIT.value,
            priority=vr.priority,
            effective_priority=vr.priority,
            master=None,
            since=time.time(),
            addresses=tuple(map(str, vr.addresses)),
        )


def absent(last: VrrpStatus) -> VrrpStatus:
    """While there is no VRRP process: nobody here takes part in any election."""
    why = ("the vrrp process is not running",)
    return VrrpStatus(
        tuple(
            replace(router, state=State.FAULT.value, master=None, since=time.time(), faults=why)
            for router in last.routers
        )
    )


async def withdraw(plan: VrrpPlan) -> None:
    """Take the addresses off that a killed VRRP process left: the peer is taking them over."""
    from lvsha.kernel.addresses import KernelAddresses

    addresses = await KernelAddresses.open()
    try:
        for vr in plan.routers:
            await _withdraw(addresses, vr)
    finally:
        await addresses.close()


async def _withdraw(addresses: Addresses, vr: VirtualRouter) -> None:
    from lvsha.vrrp.segment import leftovers

    with suppress(KernelError):  # gone, or gone with its interface
        for address in leftovers(vr, await addresses.addresses(vr.interface)):
            await addresses.remove(vr.interface, address)
            log.warning("vrrp.drift", router=vr.name, left_behind=str(address))
