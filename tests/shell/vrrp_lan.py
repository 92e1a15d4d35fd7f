"""A LAN of VRRP processes in one event loop, on the in-memory twins of wire and kernel."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from ipaddress import ip_interface

from lvsha.core.messages import Configure, Configured, Message, RouterStatus, VrrpStatus
from lvsha.core.plan import VirtualRouter, VrrpPlan
from lvsha.core.types import Family
from lvsha.kernel.memory_host import MemoryAddresses
from lvsha.kernel.memory_macvlan import MemoryMacvlans
from lvsha.kernel.memory_routing import MemoryRouting
from lvsha.kernel.memory_wire import MemoryLan, MemoryWire
from lvsha.runtime.channel import Channel
from lvsha.vrrp.machine import Machine
from lvsha.vrrp.process import VrrpProcess

VIP = ip_interface("192.0.2.100/32")
OTHER = ip_interface("192.0.2.101/32")


def router(**changes: object) -> VirtualRouter:
    """Router `web`, VRID 51 on eth0, one VIP, 1 s."""
    plain = VirtualRouter("web", 51, "eth0", Family.IPV4, 100, (VIP,))
    return replace(plain, **changes)


@dataclass
class Host:
    """A VRRP process, the machine it runs on, and the supervisor's end of its channel."""

    name: str
    addresses: MemoryAddresses
    routing: MemoryRouting
    macvlans: MemoryMacvlans
    wire: MemoryWire
    channel: Channel
    stop: asyncio.Event
    task: asyncio.Task[None]
    received: list[Message]
    generation: int = 0

    async def configure(self, *routers: VirtualRouter) -> None:
        """Send a plan, return when it is in force."""
        self.generation += 1
        plan = VrrpPlan("test", self.name, routers)
        self.channel.send(Configure(self.generation, plan))
        while Configured(self.generation) not in self.received:
            await asyncio.sleep(0.001)

    def statuses(self) -> list[VrrpStatus]:
        return [message for message in self.received if isinstance(message, VrrpStatus)]

    def status(self) -> RouterStatus:
        """The newest word on the first router."""
        return self.statuses()[-1].routers[0]

    async def holds(self, address=VIP) -> bool:
        return address in await self.addresses.addresses("eth0")


class Lan:
    """Hosts are added with `add`; `events` are the log's lines of all of them, as dicts."""

    def __init__(self) -> None:
        self.segment = MemoryLan()
        self.hosts: list[Host] = []
        self.events: list[dict[str, object]] = []

    async def add(self, name: str, address: str = "", *, interface: str = "eth0") -> Host:
        addresses = MemoryAddresses(interface)
        if address:
            await addresses.add(interface, ip_interface(address))
        return await self.run(name, addresses, MemoryWire(self.segment, name))

    async def run(self, name: str, addresses: MemoryAddresses, wire: MemoryWire) -> Host:
        """Start a process on a machine that is there already."""
        routing, macvlans = MemoryRouting(), MemoryMacvlans(addresses)
        ours, theirs = socket.socketpair()
        channel, child = await Channel.open(ours), await Channel.open(theirs)
        stop, received = asyncio.Event(), []

        async def live() -> None:
            try:
                await VrrpProcess(Machine(addresses, routing, macvlans, wire), child).run(stop)
            finally:
                await child.drain()
                child.close()

        async def listen() -> None:
            async for message in channel.messages():
                received.append(message)

        task = asyncio.create_task(live())
        host = Host(name, addresses, routing, macvlans, wire, channel, stop, task, received)
        host.listener = asyncio.create_task(listen())  # type: ignore[attr-defined]
        self.hosts.append(host)
        return host

    def named(self, event: str) -> list[dict[str, object]]:
        return [line for line in self.events if line["event"] == event]


@contextlib.asynccontextmanager
async def lan() -> AsyncIterator[Lan]:
    """Everything on it is stopped at the end."""
    place = Lan()
    logger, handler = logging.getLogger("lvsha"), Collector(place.events)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield place
    finally:
        for host in place.hosts:
            host.stop.set()
            await asyncio.wait([host.task])
            host.channel.close()
            await asyncio.wait([host.listener])  # type: ignore[attr-defined]
        logger.removeHandler(handler)


class Collector(logging.Handler):
    """Log lines as dicts, in a list."""

    def __init__(self, lines: list[dict[str, object]]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append({"event": record.getMessage(), **getattr(record, "fields", {})})


async def pair(place: Lan, **changes: object) -> tuple[Host, Host]:
    """Two hosts, priorities 150 and 100, the first one master."""
    first = await place.add("lb1", "192.0.2.1/24")
    second = await place.add("lb2", "192.0.2.2/24")
    await asyncio.gather(
        first.configure(router(priority=150, **changes)),
        second.configure(router(priority=100, **changes)),
    )
    await asyncio.sleep(5)
    assert (first.status().state, second.status().state) == ("MASTER", "BACKUP")
    return first, second
