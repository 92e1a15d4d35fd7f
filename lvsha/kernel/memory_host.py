"""The in-memory twins of a host's links, addresses and settings, with the kernel's own errnos."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

from lvsha.core.types import InterfaceAddress
from lvsha.errors import KernelError
from lvsha.kernel.ports import AddressEvent, Event, EventsLost, Link, LinkEvent, SysctlName
from lvsha.kernel.sysctls import dotted, parts


class MemoryAddresses:
    """`ports.Addresses` of a host that starts with `lo` and the named interfaces, all up.

    `plug`, `unplug`, `set_carrier` and `lose_events` are what the world outside does to it.
    """

    def __init__(self, *interfaces: str) -> None:
        self._links: dict[str, Link] = {}
        self._carriers: dict[str, bool] = {}
        self._addresses: dict[str, list[InterfaceAddress]] = {}
        self._readers: list[asyncio.Queue[Event]] = []
        self._last_index = 0
        for name in ("lo", *interfaces):
            self.plug(name)

    def plug(self, name: str, *, up: bool = True, carrier: bool = True) -> None:
        """An interface appears."""
        self._last_index += 1
        mac = bytes(6) if name == "lo" else bytes((2, 0, 0, 0, 0, self._last_index))
        mtu = 65536 if name == "lo" else 1500
        self._carriers[name] = carrier
        self._addresses[name] = []
        self._change_link(Link(name, self._last_index, up, up and carrier, mac, mtu))

    def unplug(self, name: str) -> None:
        """An interface goes away, its addresses first."""
        for address in tuple(self._addresses[name]):
            self._take(name, address)
        del self._links[name], self._carriers[name], self._addresses[name]
        self._tell(LinkEvent(name, None))

    def set_carrier(self, name: str, carrier: bool) -> None:
        """The cable is plugged in or pulled."""
        self._carriers[name] = carrier
        link = self._links[name]
        self._change_link(replace(link, running=link.up and carrier))

    def lose_events(self) -> None:
        """The readers were too slow: all that waited for them is gone."""
        for reader in self._readers:
            while not reader.empty():
                reader.get_nowait()
        self._tell(EventsLost())

    async def link(self, interface: str) -> Link | None:
        return self._links.get(interface)

    async def addresses(self, interface: str) -> tuple[InterfaceAddress, ...]:
        return tuple(self._held(interface))

    async def add(self, interface: str, address: InterfaceAddress) -> None:
        held = self._held(interface)
        if any(_same(address, other) for other in held):
            raise _refusal(errno.EEXIST, interface, address)
        held.insert(_place(held, address), address)
        self._tell(AddressEvent(interface, address, present=True))

    async def remove(self, interface: str, address: InterfaceAddress) -> None:
        held = self._held(interface)
        if address not in held:
            raise _refusal(errno.EADDRNOTAVAIL, interface, address)
        was_primary = _subnet(held, address)[0] == address
        self._take(interface, address)
        if address.version == 4 and was_primary:
            # net.ipv4.conf.*.promote_secondaries is 0: the rest of its subnet goes with it
            for secondary in _subnet(held, address):
                self._take(interface, secondary)

    async def set_up(self, interface: str, up: bool) -> None:
        held = self._held(interface)
        link = self._links[interface]
        self._change_link(replace(link, up=up, running=up and self._carriers[interface]))
        if not up:  # net.ipv6.conf.*.keep_addr_on_down is 0
            for address in [address for address in held if address.version == 6]:
                self._take(interface, address)

    def events(self) -> AsyncIterator[Event]:
        reader: asyncio.Queue[Event] = asyncio.Queue()
        self._readers.append(reader)
        return self._read(reader)

    async def close(self) -> None:
        self._readers.clear()

    async def _read(self, reader: asyncio.Queue[Event]) -> AsyncIterator[Event]:
        while True:
            yield await reader.get()

    def _held(self, interface: str) -> list[InterfaceAddress]:
        try:
            return self._addresses[interface]
        except KeyError:
            raise KernelError(errno.ENODEV, f"interface {interface}") from None

    def _change_link(self, link: Link) -> None:
        self._links[link.name] = link
        self._tell(LinkEvent(link.name, link))

    def _take(self, interface: str, address: InterfaceAddress) -> None:
        self._addresses[interface].remove(address)
        self._tell(AddressEvent(interface, address, present=False))

    def _tell(self, event: Event) -> None:
        for reader in self._readers:
            reader.put_nowait(event)


class MemorySysctls:
    """`ports.Sysctls` over a dict of dotted names to values.

    `refuse` and `hold` are what makes a kernel not take a write.
    """

    def __init__(self, values: Mapping[SysctlName, str]) -> None:
        self._values: dict[tuple[str, ...], str] = {}
        self.add(values)
        self._refusals: dict[tuple[str, ...], int] = {}
        self._held: set[tuple[str, ...]] = set()

    def add(self, values: Mapping[SysctlName, str]) -> None:
        """More settings appear, as with a new interface."""
        self._values |= {parts(name): value for name, value in values.items()}

    def refuse(self, name: SysctlName, code: int) -> None:
        """Writes meet this errno from now on; 0: none."""
        self._refusals[parts(name)] = code

    def hold(self, name: SysctlName) -> None:
        """Writes seem to succeed and change nothing."""
        self._held.add(parts(name))

    def read(self, name: SysctlName) -> str:
        try:
            return self._values[parts(name)]
        except KeyError:
            raise KernelError(errno.ENOENT, dotted(name)) from None

    def write(self, name: SysctlName, value: str) -> None:
        kept = self.read(name)
        if refusal := self._refusals.get(parts(name)):
            raise KernelError(refusal, dotted(name))
        if parts(name) in self._held:
            raise KernelError(errno.EINVAL, dotted(name), f"wrote {value}, the kernel kept {kept}")
        self._values[parts(name)] = value
        if parts(name) == ("net", "ipv6", "conf", "all", "forwarding"):
            for interface in self.names("net.ipv6.conf"):
                self._values["net", "ipv6", "conf", interface, "forwarding"] = value

    def names(self, parent: SysctlName) -> tuple[str, ...]:
        above = parts(parent)
        below = {name[len(above)] for name in self._values if name[: len(above)] == above}
        if not below:
            raise KernelError(errno.ENOENT, dotted(parent))
        return tuple(sorted(below))


def host_settings(*interfaces: str) -> dict[SysctlName, str]:
    """What a freshly booted host has of the settings lvsha touches, `lo` included."""
    values: dict[SysctlName, str] = {"net.ipv4.ip_forward": "0"}
    for name in ("all", "default", "lo", *interfaces):
        for setting in ("arp_ignore", "arp_announce", "rp_filter"):
            values["net", "ipv4", "conf", name, setting] = "0"
        values["net", "ipv6", "conf", name, "forwarding"] = "0"
        values["net", "ipv6", "conf", name, "accept_ra"] = "1"
    return values


def _same(address: InterfaceAddress, other: InterfaceAddress) -> bool:
    """IPv6 allows an address once on a link, IPv4 once for each prefix length."""
    return address == other if address.version == 4 else address.ip == other.ip


def _place(held: list[InterfaceAddress], address: InterfaceAddress) -> int:
    """Where the kernel lists a new one: IPv4 first, each subnet's first address ahead of all
    secondary ones; then IPv6, newest first but link-local behind global."""
    fours = [other for other in held if other.version == 4]
    if address.version == 6:
        wider = [other for other in held[len(fours) :] if not other.is_link_local]
        return len(fours) + (len(wider) if address.is_link_local else 0)
    if _subnet(held, address):
        return len(fours)
    return sum(_subnet(held, other)[0] == other for other in fours)


def _subnet(held: list[InterfaceAddress], address: InterfaceAddress) -> list[InterfaceAddress]:
    return [other for other in held if other.network == address.network]


def _refusal(code: int, interface: str, address: InterfaceAddress) -> KernelError:
    return KernelError(code, f"{address} on {interface}")
