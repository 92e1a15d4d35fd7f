"""The doors to the kernel as protocols: the real thing and its in-memory twin pass the same tests.

Every method that writes raises `KernelError` (or returns refusals) when the kernel refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from lvsha.core.commands import Command, Refusal
from lvsha.core.moving import VirtualRoute, VirtualRule
from lvsha.core.types import (
    Address,
    DestinationStatus,
    Family,
    InterfaceAddress,
    IpvsInfo,
    IpvsTable,
    Key,
    Network,
    ServiceStatus,
    SyncDaemon,
    Timeouts,
)


class Ipvs(Protocol):
    """IPVS over generic netlink. Synchronous: the kernel acts inside the send call."""

    def info(self) -> IpvsInfo: ...

    def apply(self, commands: Sequence[Command]) -> tuple[Refusal, ...]:
        """Carry out all commands in order, many to a send; what was refused comes back in order.

        A refused command does not stop those behind it (ipvsadm's own behaviour line by line).
        Raises KernelError only when the conversation itself breaks.
        """
        ...

    def services(self) -> tuple[ServiceStatus, ...]:
        """All services with counters, in the kernel's own order."""
        ...

    def service(self, key: Key) -> ServiceStatus:
        """One service. KernelError(ESRCH) where there is none."""
        ...

    def destinations(self, key: Key) -> tuple[DestinationStatus, ...]:
        """A service's destinations with counters, in the kernel's order (newest first).

        KernelError(ESRCH) where there is no such service.
        """
        ...

    def table(self) -> IpvsTable:
        """The whole table without counters, for comparing: services in the kernel's order."""
        ...

    def read(
        self, keys: Sequence[Key], *, counters: bool = True
    ) -> Iterator[tuple[Key, tuple[DestinationStatus, ...] | None]]:
        """Destinations of each key in turn, lazily, None where the service is gone.

        Without `counters` their `stats` may stay at 0: reading them is half the work.

        A caller with a loop to serve pauses between items.
        """
        ...

    def timeouts(self) -> Timeouts: ...

    def daemons(self) -> tuple[SyncDaemon, ...]: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface. `running`: administratively up with carrier."""

    name: str
    index: int
    up: bool
    running: bool
    mac: bytes
    mtu: int


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """An interface appeared or changed (`link`), or went away (None)."""

    name: str
    link: Link | None


@dataclass(frozen=True, slots=True)
class AddressEvent:
    """An address came to or left an interface."""

    interface: str
    address: InterfaceAddress
    present: bool


@dataclass(frozen=True, slots=True)
class EventsLost:
    """The kernel overran our event queue: read everything again, trust nothing partial."""


Event: TypeAlias = LinkEvent | AddressEvent | EventsLost


class AddressChanges(Protocol):
    """Putting addresses on interfaces, and taking them off; as in `Addresses`."""

    async def add(self, interface: str, address: InterfaceAddress) -> None: ...

    async def remove(self, interface: str, address: InterfaceAddress) -> None: ...


class Macvlans(Protocol):
    """Interfaces with a MAC address of their own on top of another one."""

    async def make(self, name: str, parent: str, mac: bytes) -> None:
        """A private macvlan, up, with the settings a virtual router needs. KernelError."""
        ...

    async def remove(self, name: str) -> None:
        """Gone, with its addresses; it need not be there. Settings of its parent are restored."""
        ...


class Addresses(Protocol):
    """Links and addresses over rtnetlink."""

    async def link(self, interface: str) -> Link | None: ...

    async def addresses(self, interface: str) -> tuple[InterfaceAddress, ...]:
        """Addresses in the kernel's order, both families. KernelError(ENODEV) without the link."""
        ...

    async def add(self, interface: str, address: InterfaceAddress) -> None:
        """Add an address; IPv6 with IFA_F_NODAD and deprecated: never a source by itself.

        KernelError(EEXIST) where it is already there.
        """
        ...

    async def remove(self, interface: str, address: InterfaceAddress) -> None:
        """KernelError(EADDRNOTAVAIL) where it is not there."""
        ...

    async def set_up(self, interface: str, up: bool) -> None: ...

    def events(self) -> AsyncIterator[Event]:
        """Changes from now on."""
        ...

    async def close(self) -> None: ...


class Routing(Protocol):
    """Routes and routing rules over rtnetlink."""

    async def has_route(self, to: Network) -> bool:
        """Whether the main table has a usable route to exactly this network."""
        ...

    def changes(self) -> AsyncIterator[None]:
        """An item whenever routes may be others than before; many changes may be one."""
        ...

    async def add(self, interface: str, path: VirtualRoute | VirtualRule) -> None:
        """KernelError(EEXIST) where it is already there."""
        ...

    async def remove(self, interface: str, path: VirtualRoute | VirtualRule) -> None:
        """KernelError(ESRCH or ENOENT) where it is not there."""
        ...

    async def close(self) -> None: ...


SysctlName: TypeAlias = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Packet:
    """A VRRP message as it arrived: without IP header, `ttl` is the hop limit in IPv6."""

    data: bytes
    source: Address
    destination: Address
    ttl: int


class VrrpSocket(Protocol):
    """VRRP in one family: on one interface, in the group there, or at one address. Never waits."""

    def receive(self) -> Packet | None:
        """The next packet that has arrived, or None. KernelError when the interface is gone."""
        ...

    def send(self, message: bytes, source: Address, destination: Address) -> None:
        """KernelError when the kernel does not take it now."""
        ...

    def close(self) -> None: ...


class Ear(Protocol):
    """Listens whether a link brings anything."""

    def close(self) -> None: ...


class Wire(Protocol):
    """The segments this machine is on, below IP and beside it."""

    def open(self, link: Link, family: Family, readable: Callable[[], None]) -> VrrpSocket:
        """`readable` is called in the running loop when packets wait. KernelError."""
        ...

    def open_unicast(self, source: Address, readable: Callable[[], None]) -> VrrpSocket:
        """What is sent to `source`, on any interface. It is an address of this machine, and no
        link-local one. KernelError.
        """
        ...

    def usable(self, link: Link, source: Address) -> bool:
        """False while `source` is no address here, or under duplicate address detection."""
        ...

    def advertise(self, link: Link, message: bytes, source: Address) -> None:
        """Send a VRRP message to the group of its family from `link.mac`, whose ever that is.

        KernelError.
        """
        ...

    def listen(self, link: Link, heard: Callable[[], None]) -> Ear:
        """`heard` is called in the running loop once the link brings ARP or IP. KernelError."""
        ...

    def ask(self, link: Link, address: Address) -> None:
        """Whoever has `address` is to send something, without learning who asks. KernelError."""
        ...

    def announce(self, link: Link, address: Address) -> None:
        """Send one gratuitous ARP or unsolicited neighbour advertisement. KernelError."""
        ...


class Sysctls(Protocol):
    """Kernel settings by dotted name (`net.ipv4.conf.all.arp_ignore`).

    An interface name with dots keeps them: name parts are given as a tuple where that matters.
    """

    def read(self, name: SysctlName) -> str:
        """KernelError(ENOENT) where the kernel has no such setting."""
        ...

    def write(self, name: SysctlName, value: str) -> None:
        """Write and read back; KernelError where the kernel refused or kept another value."""
        ...

    def names(self, parent: SysctlName) -> tuple[str, ...]:
        """What stands directly below (`net.ipv6.conf`: the interfaces), sorted.

        KernelError(ENOENT) where there is no such folder.
        """
        ...
