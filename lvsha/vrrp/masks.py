"""A virtual router's own MAC address: the interface that has it, and speaking and hearing with it.

The interface is there while its router holds addresses. Advertisements leave through its parent,
so that the first need not wait for it. While it is there the kernel hands it every packet from
its own MAC address, which is where another master would be heard.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from lvsha.core.frames import virtual_mac
from lvsha.core.plan import VirtualRouter
from lvsha.core.types import Address, Family, InterfaceAddress
from lvsha.errors import KernelError
from lvsha.kernel.ports import AddressChanges, Link, Macvlans, Wire
from lvsha.vrrp.receiver import Listener, Receiver


def mask_name(vr: VirtualRouter) -> str:
    """The name of its interface: vrrp.51, for IPv6 vrrp6.51."""
    return f"vrrp{'' if vr.family is Family.IPV4 else '6'}.{vr.virtual_router_id}"


class MaskedAddresses:
    """`AddressChanges` on an interface that comes with the first address and goes with the last."""

    def __init__(self, vr: VirtualRouter, addresses: AddressChanges, macvlans: Macvlans) -> None:
        self._name = mask_name(vr)
        self._parent = vr.interface
        self._mac = virtual_mac(vr.family, vr.virtual_router_id)
        self._addresses = addresses
        self._macvlans = macvlans
        self._held: set[InterfaceAddress] = set()

    async def add(self, interface: str, address: InterfaceAddress) -> None:
        if not self._held:
            await self._macvlans.remove(self._name)
            await self._macvlans.make(self._name, self._parent, self._mac)
        try:
            await self._addresses.add(interface, address)
        except KernelError as error:
            if error.errno == errno.ENODEV:  # somebody took it away: make it anew
                self._held.clear()
            raise
        self._held.add(address)

    async def remove(self, interface: str, address: InterfaceAddress) -> None:
        self._held.discard(address)
        if self._held:
            await self._addresses.remove(interface, address)
        else:
            await self._macvlans.remove(self._name)


class MaskedReceiver:
    """Where a router with a MAC address of its own hears and speaks; `link` is its parent's."""

    def __init__(self, vr: VirtualRouter, base: Receiver, wire: Wire, link: Link) -> None:
        self.base = base
        self.link = replace(link, mac=virtual_mac(vr.family, vr.virtual_router_id))
        self._family = vr.family
        self._wire = wire
        self._ear: Receiver | None = None
        self._listeners: dict[int, Listener] = {}

    @property
    def counters(self) -> Mapping[str, int]:
        return self.base.counters

    def join(self, virtual_router_id: int, listener: Listener) -> None:
        self._listeners[virtual_router_id] = listener
        for receiver in self._receivers():
            receiver.join(virtual_router_id, listener)

    def leave(self, virtual_router_id: int) -> None:
        self._listeners.pop(virtual_router_id, None)
        for receiver in self._receivers():
            receiver.leave(virtual_router_id)

    def drain(self) -> None:
        """Hand on what has arrived, without waiting."""
        for receiver in self._receivers():
            receiver.drain()

    def send(self, message: bytes, source: Address, destination: Address) -> None:
        """KernelError when the kernel does not take it now."""
        self._wire.advertise(self.link, message, source)

    def hear(self, link: Link | None) -> None:
        """Its interface came, changed or went: listen there while it is up. KernelError."""
        up = link if link is not None and link.up else None
        if self._ear is not None and (up is None or up.index != self._ear.index):
            self.close()
        if self._ear is None and up is not None:
            self._ear = Receiver(partial(self._wire.open, up, self._family), up.index)
            for virtual_router_id, listener in self._listeners.items():
                self._ear.join(virtual_router_id, listener)

    def close(self) -> None:
        """Hear on the parent only."""
        if self._ear is not None:
            self._ear.close()
            self._ear = None

    def _receivers(self) -> Iterator[Receiver]:
        yield self.base
        if self._ear is not None:
            yield self._ear


class Masks:
    """The masked receivers of one interface, by family and VRID."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._receivers: dict[tuple[Family, int], MaskedReceiver] = {}
        self._links: dict[str, Link] = {}

    def over(self, vr: VirtualRouter, base: Receiver, link: Link) -> MaskedReceiver:
        """The one for `vr` over what its interface has now."""
        key = (vr.family, vr.virtual_router_id)
        found = self._receivers.get(key)
        fresh = MaskedReceiver(vr, base, self._wire, link)
        if found is not None and (found.base, found.link) == (base, fresh.link):
            return found
        if found is not None:
            found.close()
        self._receivers[key] = fresh
        fresh.hear(self._links.get(mask_name(vr)))
        return fresh

    def link_changed(self, vr: VirtualRouter, link: Link | None) -> None:
        """What the kernel says of a router's own interface."""
        self._links.pop(mask_name(vr), None)
        if link is not None:
            self._links[link.name] = link
        if found := self._receivers.get((vr.family, vr.virtual_router_id)):
            found.hear(link)

    def remove(self, vr: VirtualRouter) -> None:
        """Listen with this one's no more."""
        if found := self._receivers.pop((vr.family, vr.virtual_router_id), None):
            found.close()
