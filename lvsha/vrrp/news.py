"""What the kernel tells of links and addresses, and where it is heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress

from lvsha.core.types import InterfaceAddress
from lvsha.errors import KernelError
from lvsha.kernel.ports import Addresses, AddressEvent, Event, EventsLost, LinkEvent
from lvsha.vrrp.masks import mask_name
from lvsha.vrrp.router import RunningRouter
from lvsha.vrrp.segment import Segment
from lvsha.vrrp.tracking import Tracking

RECHECK_INTERVAL = 1.0
"""Seconds between looks at what has a fault: none outlives its cause for long."""


class News:
    """`segments` are the interfaces of virtual routers at the time, by name."""

    def __init__(
        self, addresses: Addresses, segments: Mapping[str, Segment], tracking: Tracking
    ) -> None:
        self._addresses = addresses
        self._segments = segments
        self._tracking = tracking

    async def follow(self, events: AsyncIterator[Event]) -> None:
        """Act on what is told, until cancelled."""
        async for event in events:
            await self._heed(event)
            await asyncio.sleep(0)  # many events in a row must not hold up an advertisement

    async def recheck(self) -> None:
        """Look again now and then, until cancelled."""
        while True:
            await asyncio.sleep(RECHECK_INTERVAL)
            await self._tracking.refresh()
            for segment in tuple(self._segments.values()):
                if not segment.is_healthy:
                    await segment.refresh()

    async def _heed(self, event: Event) -> None:
        match event:
            case LinkEvent():
                await self._heed_link(event)
            case AddressEvent(name, address, present):
                if segment := self._segments.get(name):
                    await _heed_address(segment, event)
                if not present:
                    for router in self._masked(name):
                        router.holder.vanished(address)
            case EventsLost():
                await self._read_again()

    async def _heed_link(self, event: LinkEvent) -> None:
        name, link = event.name, event.link
        self._tracking.link_changed(name, link)
        if segment := self._segments.get(name):
            segment.link_changed(link)
            if link is not None:
                await segment.refresh()
        for router in self._masked(name):
            self._segments[router.plan.interface].masks.link_changed(router.plan, link)
            if link is None:
                router.holder.recount(())

    async def _read_again(self) -> None:
        await self._tracking.refresh()
        for segment in tuple(self._segments.values()):
            await segment.refresh()
            for router in segment.routers:
                if not router.plan.virtual_mac:
                    router.holder.recount(segment.present)
                    continue
                name = mask_name(router.plan)
                there: tuple[InterfaceAddress, ...] = ()
                segment.masks.link_changed(router.plan, await self._addresses.link(name))
                with suppress(KernelError):  # it is there only while it has addresses
                    there = await self._addresses.addresses(name)
                router.holder.recount(there)

    def _masked(self, interface: str) -> Iterator[RunningRouter]:
        """The router whose own interface this is."""
        for segment in tuple(self._segments.values()):
            for router in segment.routers:
                if router.plan.virtual_mac and mask_name(router.plan) == interface:
                    yield router


async def _heed_address(segment: Segment, event: AddressEvent) -> None:
    """Our own addresses are the holders' business, any other may be a router's source."""
    if event.address.ip not in segment.virtual_addresses:
        await segment.refresh()
    elif not event.present:
        for router in segment.routers:
            router.holder.vanished(event.address)
