"""What is known of one interface, and what follows for the virtual routers on it.

By level: every pass looks at the link and its addresses as they are now, opens and closes the
sockets that go with them, and tells each router where it stands and all that is wrong with it.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterable, Iterator

from lvsha.core.mastership import Carried
from lvsha.core.plan import VirtualRouter
from lvsha.core.tracking import OWNER
from lvsha.core.types import Address, Family, InterfaceAddress
from lvsha.errors import KernelError
from lvsha.kernel.ports import Addresses, Ear, Link, Wire
from lvsha.vrrp.masks import MaskedReceiver, Masks
from lvsha.vrrp.receiver import Receiver
from lvsha.vrrp.router import RunningRouter
from lvsha.vrrp.trackers.link import link_fault
from lvsha.vrrp.unicast import UnicastReceivers


class Segment:
    """The interface `name`. It need not exist: that is a fault, not an error.

    `virtual_addresses` are those of every router of this node: none of them is a source.
    """

    def __init__(
        self, name: str, addresses: Addresses, wire: Wire, unicast: UnicastReceivers
    ) -> None:
        self.name = name
        self.virtual_addresses: frozenset[Address] = frozenset()
        self.present: tuple[InterfaceAddress, ...] = ()
        self._link: Link | None = None
        self._addresses = addresses
        self._wire = wire
        self._unicast = unicast
        self._routers: dict[tuple[Family, int], RunningRouter] = {}
        self._receivers: dict[Family, Receiver] = {}
        self._refusals: dict[Family | Address, str] = {}
        self._heard_at: dict[tuple[Family, int], Receiver | MaskedReceiver | None] = {}
        self.masks = Masks(wire)
        self._usable: dict[Address, bool] = {}
        self._own: dict[Family, list[Address]] = {}
        self._reading = asyncio.Lock()
        self._told = 0
        self._ear: Ear | None = None

    @property
    def routers(self) -> Iterable[RunningRouter]:
        return self._routers.values()

    @property
    def is_healthy(self) -> bool:
        """No router here has a fault."""
        return not any(router.faults for router in self.routers)

    def add(self, router: RunningRouter) -> None:
        """`settle` tells it where it stands."""
        self._routers[_key(router.plan)] = router
        router.listen = self._listen_up

    def remove(self, router: RunningRouter) -> None:
        """`settle` or `close` lets go of what it alone needed."""
        key = _key(router.plan)
        del self._routers[key]
        self._listen(key, None, router)
        self.masks.remove(router.plan)

    async def refresh(self) -> None:
        """Read link and addresses from the kernel, and settle."""
        async with self._reading:
            link, present = await self._read()
        self._link, self.present = link, present
        self.settle()

    def link_changed(self, link: Link | None) -> None:
        """The kernel says so: no need to ask."""
        self._told += 1
        self._link = link
        self.settle()

    async def _read(self) -> tuple[Link | None, tuple[InterfaceAddress, ...]]:
        """An answer that a link event overtook is out of date: ask again."""
        while True:
            told = self._told
            link = await self._addresses.link(self.name)
            try:
                present = await self._addresses.addresses(self.name) if link else ()
            except KernelError as error:  # gone between the two questions, or no answer just now
                present = () if error.errno == errno.ENODEV else self.present
            if told == self._told:
                return link, present

    def settle(self) -> None:
        """Let everything follow from what is known."""
        self._usable.clear()
        self._own.clear()
        if self._link is None:
            self._close_ear()
        wanted = {router.plan.family for router in self.routers if not router.plan.peers}
        for family in tuple(self._receivers):
            if family not in wanted or not self._is_current(self._receivers[family]):
                self._receivers.pop(family).close()
        for family in wanted - self._receivers.keys():
            self._open(family)
        for key, router in tuple(self._routers.items()):
            receiver = self._receiver(router.plan)
            masked = receiver if isinstance(receiver, MaskedReceiver) else None
            router.holder.link = masked.link if masked else self._link
            self._listen(key, receiver, router)
            router.place(receiver, self._source(router), self._faults(router))
        self._unicast.close_idle()

    def _receiver(self, vr: VirtualRouter) -> Receiver | MaskedReceiver | None:
        """Where `vr` hears and speaks. None: nowhere now, and `_refusals` may say why."""
        if not vr.peers or vr.source is None:
            base = self._receivers.get(vr.family)
            if not vr.virtual_mac or base is None or self._link is None:
                return base
            return self.masks.over(vr, base, self._link)
        self._refusals.pop(vr.source, None)
        try:
            return self._unicast.at(vr.source)
        except KernelError as error:
            self._refusals[vr.source] = str(error)
            return None

    def _listen(
        self,
        key: tuple[Family, int],
        receiver: Receiver | MaskedReceiver | None,
        router: RunningRouter,
    ) -> None:
        """At this receiver and no other."""
        _, virtual_router_id = key
        before = self._heard_at.pop(key, None)
        if before is not None and before is not receiver:
            before.leave(virtual_router_id)
        if receiver is not None:
            receiver.join(virtual_router_id, router)
            self._heard_at[key] = receiver

    def _listen_up(self) -> None:
        """A router can not tell silence from a link that brings nothing: ask the other nodes."""
        link, loop = self._link, asyncio.get_running_loop()
        if link is None:
            return
        try:
            if self._ear is None:
                self._ear = self._wire.listen(link, self._heard)
            for neighbour in {each for router in self.routers for each in router.plan.neighbours}:
                self._wire.ask(link, neighbour)
        except KernelError:  # then we can not know, and silence is all there is
            loop.call_soon(self._heard)

    def _heard(self) -> None:
        self._close_ear()
        for router in tuple(self.routers):
            router.feed(Carried())

    def _close_ear(self) -> None:
        if self._ear is not None:
            self._ear.close()
            self._ear = None

    def close(self) -> None:
        self._close_ear()
        for receiver in self._receivers.values():
            receiver.close()
        self._receivers.clear()
        self._unicast.close_idle()

    def _is_current(self, receiver: Receiver) -> bool:
        """An interface that went and came back has another index: the old socket is deaf."""
        return self._link is not None and receiver.index == self._link.index

    def _open(self, family: Family) -> None:
        self._refusals.pop(family, None)
        if self._link is None:
            return
        link = self._link
        try:
            receiver = Receiver(
                lambda readable: self._wire.open(link, family, readable), link.index
            )
        except KernelError as error:
            self._refusals[family] = str(error)
            return
        self._receivers[family] = receiver

    def _faults(self, router: RunningRouter) -> frozenset[str]:
        if (fault := self._link_fault()) is not None:
            return frozenset({fault})
        plan = router.plan
        if refusal := self._refusals.get(
            plan.source if plan.peers and plan.source else plan.family
        ):
            return frozenset({refusal})
        return frozenset(self._source_faults(router))

    def _link_fault(self) -> str | None:
        fault = link_fault(self._link)
        return None if fault is None else f"interface {self.name} {fault}"

    def _source_faults(self, router: RunningRouter) -> Iterable[str]:
        source = self._source(router)
        if source is None:
            kind = "IPv4" if router.plan.family is Family.IPV4 else "link-local IPv6"
            yield f"interface {self.name} has no {kind} address"
        elif not self._is_usable(source):
            yield f"address {source} is not usable on {self.name}"

    def _is_usable(self, source: Address) -> bool:
        """Asked once a pass, however many routers share the address."""
        if source not in self._usable and self._link is not None:
            self._usable[source] = self._wire.usable(self._link, source)
        return self._usable.get(source, False)

    def _source(self, router: RunningRouter) -> Address | None:
        """The file's; else the one in use while it is there; else the first of our own."""
        plan = router.plan
        if plan.source is not None:
            return plan.source
        own = self._own_addresses(plan.family)
        if router.source in own:
            return router.source
        if plan.priority == OWNER:
            own = [*own, *self._possible(plan.family)]
        return own[0] if own else None

    def _own_addresses(self, family: Family) -> list[Address]:
        """Looked through once a pass: 250 routers may hold 250 addresses."""
        if family not in self._own:
            self._own[family] = [
                address
                for address in self._possible(family)
                if address not in self.virtual_addresses
            ]
        return self._own[family]

    def _possible(self, family: Family) -> Iterator[Address]:
        for address in self.present:
            if Family.of(address) is family and (family is Family.IPV4 or address.is_link_local):
                yield address.ip


def _key(vr: VirtualRouter) -> tuple[Family, int]:
    return vr.family, vr.virtual_router_id


def leftovers(
    vr: VirtualRouter, present: Iterable[InterfaceAddress]
) -> tuple[InterfaceAddress, ...]:
    """Addresses of `vr` that a predecessor left behind among those `present`."""
    kept, ours = native(vr, present), vr.all_addresses
    return tuple(address for address in present if address in ours and address not in kept)


def native(vr: VirtualRouter, present: Iterable[InterfaceAddress]) -> frozenset[InterfaceAddress]:
    """Addresses of `vr` that are the machine's own, as RFC 9568 means an address owner.

    One of those `present` is taken for that unless it has the host prefix length that virtual
    addresses have.
    """
    if vr.priority != OWNER:
        return frozenset()
    return frozenset(
        address
        for address in present
        if address in vr.all_addresses and address.network.prefixlen != address.max_prefixlen
    )
