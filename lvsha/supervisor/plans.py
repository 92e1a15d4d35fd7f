"""What the supervisor itself has to say and do about a node's plans, while nobody else can."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from lvsha.core.mastership import State
from lvsha.core.messages import RouterStatus, VrrpStatus
from lvsha.core.moving import VirtualRoute, VirtualRule
from lvsha.core.plan import DirectorPlan, VirtualRouter, VrrpPlan
from lvsha.errors import KernelError
from lvsha.kernel.ports import Addresses, Macvlans, Routing
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
            excluded_addresses=tuple(map(str, vr.excluded_addresses)),
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
    """Take off what a killed VRRP process left: the peer is taking it over."""
    from lvsha.kernel.addresses import KernelAddresses
    from lvsha.kernel.macvlan import KernelMacvlans
    from lvsha.kernel.routing import KernelRouting
    from lvsha.kernel.sysctls import KernelSysctls

    addresses, routing = await KernelAddresses.open(), await KernelRouting.open()
    macvlans = await KernelMacvlans.open(KernelSysctls())
    try:
        for vr in plan.routers:
            await _withdraw(addresses, vr)
            await _withdraw_paths(routing, vr)
            if vr.virtual_mac:
                await _withdraw_mac(macvlans, vr)
    finally:
        await macvlans.close()
        await routing.close()
        await addresses.close()


async def _withdraw(addresses: Addresses, vr: VirtualRouter) -> None:
    from lvsha.vrrp.segment import leftovers

    with suppress(KernelError):  # gone, or gone with its interface
        for address in leftovers(vr, await addresses.addresses(vr.interface)):
            await addresses.remove(vr.interface, address)
            log.warning("vrrp.drift", router=vr.name, left_behind=str(address))


async def _withdraw_paths(routing: Routing, vr: VirtualRouter) -> None:
    paths: tuple[VirtualRoute | VirtualRule, ...] = (*vr.rules, *vr.routes)
    for path in paths:
        with suppress(KernelError):
            await routing.remove(vr.interface, path)


async def _withdraw_mac(macvlans: Macvlans, vr: VirtualRouter) -> None:
    from lvsha.vrrp.masks import mask_name

    with suppress(KernelError):
        await macvlans.remove(mask_name(vr))
