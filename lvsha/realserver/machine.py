"""The machine a real server runs on: reading items of it and bringing them to a value."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import assert_never

from lvsha.core.realserver import (
    ABSENT,
    DOWN,
    MISSING,
    MODULES,
    PRESENT,
    UP,
    Item,
    LinkState,
    Presence,
    Setting,
    Step,
    Values,
)
from lvsha.core.types import InterfaceAddress
from lvsha.errors import HostError
from lvsha.kernel.addresses import KernelAddresses
from lvsha.kernel.ports import Addresses, Link, Sysctls
from lvsha.kernel.sysctls import KernelSysctls
from lvsha.kernel.tunnels import load_tunnel


@dataclass(frozen=True, slots=True)
class Machine:
    """Doors to the kernel; `load_module` raises HostError where a module can't be had."""

    addresses: Addresses
    sysctls: Sysctls
    load_module: Callable[[str], None]

    async def values(self, items: Iterable[Item]) -> Values:
        """The present values; items of an interface that does not exist are left out."""
        values: dict[Item, str] = {}
        by_interface: dict[str, list[Item]] = {}
        for item in items:
            by_interface.setdefault(item.interface, []).append(item)
        for interface, its_items in by_interface.items():
            if interface == "all":
                values |= {
                    item: self.sysctls.read(_name(item))
                    for item in its_items
                    if isinstance(item, Setting)
                }
            elif link := await self.addresses.link(interface):
                held = await self.addresses.addresses(interface)
                values |= {item: self._value(item, link, held) for item in its_items}
        return values

    async def load_missing(self, steps: Iterable[Step]) -> bool:
        """Load the modules of tunnel interfaces that steps miss; whether there were any."""
        missing = [step.item.interface for step in steps if step.was == MISSING]
        for interface in missing:
            module = MODULES[interface]
            self.load_module(module)
            if await self.addresses.link(interface) is None:
                raise HostError(
                    f"{interface}: module {module} is loaded, but this network namespace has no "
                    f"such interface (see net.core.fb_tunnels_only_for_init_net)"
                )
        return bool(missing)

    async def perform(self, step: Step) -> None:
        """KernelError where the kernel refuses, or where a setting does not keep its value."""
        match step.item:
            case Setting() as setting:
                self.sysctls.write(_name(setting), step.value)
            case LinkState(interface):
                await self.addresses.set_up(interface, step.value == UP)
            case Presence(interface, address) if step.value == PRESENT:
                await self.addresses.add(interface, address)
            case Presence(interface, address):
                await self.addresses.remove(interface, address)
            case _:
                assert_never(step.item)

    def _value(self, item: Item, link: Link, held: Sequence[InterfaceAddress]) -> str:
        match item:
            case Setting():
                return self.sysctls.read(_name(item))
            case LinkState():
                return UP if link.up else DOWN
            case Presence(_, address):
                return PRESENT if any(_is_that(address, other) for other in held) else ABSENT
            case _:
                assert_never(item)


@asynccontextmanager
async def this_machine(*, writing: bool) -> AsyncIterator[Machine]:
    """The machine we run on. HostError where `writing` is wanted without being root."""
    if writing and os.geteuid() != 0:
        raise HostError("must be root to change addresses and kernel settings")
    addresses = await KernelAddresses.open()
    try:
        yield Machine(addresses, KernelSysctls(), load_tunnel)
    finally:
        await addresses.close()


def _name(setting: Setting) -> tuple[str, ...]:
    return ("net", "ipv4", "conf", setting.interface, setting.name)


def _is_that(address: InterfaceAddress, other: InterfaceAddress) -> bool:
    """IPv6 allows an address once on a link, whatever its prefix: then it need not be added."""
    return other == address or (address.version == 6 and other.ip == address.ip)
