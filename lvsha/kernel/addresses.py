"""Links and addresses over rtnetlink: a pyroute2 socket for commands, a plain one for events."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from ipaddress import ip_interface
from typing import Any, TypeVar

from lvsha.core.types import Family, InterfaceAddress
from lvsha.errors import KernelError
from lvsha.kernel.ports import AddressEvent, Event, EventsLost, Link, LinkEvent
from lvsha.kernel.rtnetlink import (
    AsyncIPRoute,
    MarshalRtnl,
    NetlinkDumpInterrupted,
    index_of,
    refusals_about,
)

# include/uapi/linux/rtnetlink.h and if.h
RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR = 0x1, 0x10, 0x100
IFF_UP, IFF_RUNNING, IFF_LOWER_UP = 0x1, 0x40, 0x10000
IFA_F_NODAD = 0x02
FOREVER = 0xFFFFFFFF  # INFINITY_LIFE_TIME

AS_VIP = {"flags": IFA_F_NODAD, "valid_lft": FOREVER, "preferred_lft": 0}
"""Deprecated (RFC 6724 rule 3): else the newest address, the VIP, is the source of what this
machine sends, and a real server that has the VIP itself drops its checks and tunnel packets."""

SO_RCVBUFFORCE = 33

EVENT_BUFFER = 1 << 20  # bytes: some 1500 events while the loop is busy elsewhere
DUMP_ATTEMPTS = 5

T = TypeVar("T")


class KernelAddresses:
    """`ports.Addresses` in the network namespace where `open` was called.

    Needs asyncio's own event loop (uvloop refuses netlink datagram sockets).
    """

    def __init__(self, commands: AsyncIPRoute) -> None:
        self._commands = commands
        self._put: dict[tuple[str, InterfaceAddress], int] = {}
        self._subscriptions: set[socket.socket] = set()
        self._dumping = asyncio.Lock()

    @classmethod
    async def open(cls) -> KernelAddresses:
        commands = AsyncIPRoute(ext_ack=True, strict_check=True)
        await commands.setup_endpoint()
        return cls(commands)

    async def link(self, interface: str) -> Link | None:
        try:
            with refusals_about(f"interface {interface}"):
                (message,) = await self._commands.link("get", index=index_of(interface))
        except KernelError as error:
            if error.errno == errno.ENODEV:
                return None
            raise
        return _link(message)

    async def addresses(self, interface: str) -> tuple[InterfaceAddress, ...]:
        index = index_of(interface)
        with refusals_about(f"interface {interface}"):
            messages = await self._dump(self._commands.get_addr, index=index)
        return tuple(_address(message) for message in messages)

    async def add(self, interface: str, address: InterfaceAddress) -> None:
        index = self._put[interface, address] = index_of(interface)
        await self._change("add", index, interface, address, AS_VIP if address.version == 6 else {})

    async def remove(self, interface: str, address: InterfaceAddress) -> None:
        """From where `add` put it, whatever that interface is called by now."""
        index = self._put.pop((interface, address), None) or index_of(interface)
        await self._change("del", index, interface, address, {})

    async def set_up(self, interface: str, up: bool) -> None:
        with refusals_about(f"interface {interface}"):
            await self._commands.link(
                "set", index=index_of(interface), state="up" if up else "down"
            )

    def events(self) -> AsyncIterator[Event]:
        return self._read(self._subscribe())

    async def close(self) -> None:
        self._commands.close()
        for subscription in tuple(self._subscriptions):
            self._unsubscribe(subscription)
        await asyncio.sleep(0)  # the transport lets go of its socket in the loop's next round

    async def _change(
        self,
        command: str,
        index: int,
        interface: str,
        address: InterfaceAddress,
        flags: dict[str, int],
    ) -> None:
        with refusals_about(f"{address} on {interface}"):
            await self._commands.addr(
                command,
                index=index,
                family=int(Family.of(address)),
                address=str(address.ip),
                prefixlen=address.network.prefixlen,
                **flags,
            )

    async def _dump(self, method: Callable[..., Awaitable[Any]], **arguments: Any) -> list[Any]:
        """A whole dump; one the kernel marks as interrupted by a change is taken again.

        One at a time: a second on the same socket is refused with EBUSY.
        """
        for _ in range(DUMP_ATTEMPTS):
            with suppress(NetlinkDumpInterrupted):
                async with self._dumping:
                    return [message async for message in await method(**arguments)]
        raise KernelError(errno.EINTR, "dump", f"interrupted by changes {DUMP_ATTEMPTS} times")

    async def _read(self, subscription: socket.socket) -> AsyncIterator[Event]:
        marshal = MarshalRtnl()
        names = await self._names()
        try:
            while True:
                data = await _receive(subscription)
                if data is None:
                    # A fresh socket: what is still queued in this one is older than the re-read.
                    self._unsubscribe(subscription)
                    subscription = self._subscribe()
                    names = await self._names()
                    yield EventsLost()
                    continue
                for message in marshal.parse(data):
                    for event in _events(message, names):
                        yield event
        finally:
            self._unsubscribe(subscription)

    def _subscribe(self) -> socket.socket:
        subscription = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        subscription.setblocking(False)
        with suppress(PermissionError):  # not the first namespace's root: the usual size must do
            subscription.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, EVENT_BUFFER)
        subscription.bind((0, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR))
        self._subscriptions.add(subscription)
        return subscription

    def _unsubscribe(self, subscription: socket.socket) -> None:
        self._subscriptions.discard(subscription)
        subscription.close()

    async def _names(self) -> dict[int, str]:
        links = await self._dump(self._commands.get_links)
        return {link["index"]: link.get_attr("IFLA_IFNAME") for link in links}


async def _receive(subscription: socket.socket) -> bytes | None:
    """One read of messages; None when the kernel had to drop some."""
    try:
        return await asyncio.get_running_loop().sock_recv(subscription, 1 << 16)
    except OSError as error:
        if error.errno == errno.ENOBUFS:
            return None
        raise KernelError(error.errno or errno.EIO, "rtnetlink events") from error


def _events(message: Any, names: dict[int, str]) -> Iterator[Event]:
    """What a message says, with `names` (index → name) kept up to date."""
    kind, index = message["event"], message["index"]
    match kind:
        case "RTM_NEWLINK" | "RTM_DELLINK" if message["family"] != socket.AF_UNSPEC:
            return  # AF_BRIDGE: a port joined or left a bridge, the link itself lives on
        case "RTM_NEWLINK":
            link = _link(message)
            before = names.get(index, link.name)
            names[index] = link.name
            if before != link.name:
                yield LinkEvent(before, None)
            yield LinkEvent(link.name, link)
        case "RTM_DELLINK":
            name = names.pop(index, message.get_attr("IFLA_IFNAME"))
            yield LinkEvent(name, None)
        case "RTM_NEWADDR" | "RTM_DELADDR" if index in names:
            yield AddressEvent(names[index], _address(message), kind == "RTM_NEWADDR")


def _link(message: Any) -> Link:
    flags = message["flags"]
    return Link(
        name=message.get_attr("IFLA_IFNAME"),
        index=message["index"],
        up=bool(flags & IFF_UP),
        running=_has_all(flags, IFF_UP | IFF_RUNNING | IFF_LOWER_UP),
        mac=bytes.fromhex((message.get_attr("IFLA_ADDRESS") or "").replace(":", "")),
        mtu=message.get_attr("IFLA_MTU"),
    )


def _has_all(flags: int, wanted: int) -> bool:
    return flags & wanted == wanted


def _address(message: Any) -> InterfaceAddress:
    # On a point-to-point link IFA_ADDRESS is the peer's; IFA_LOCAL, where present, is ours.
    address = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    return ip_interface(f"{address}/{message['prefixlen']}")
