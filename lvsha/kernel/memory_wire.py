"""The in-memory twin of `wire`: segments that several hosts are on, with cables that can be cut."""

from __future__ import annotations

import asyncio
import errno
from collections import deque
from collections.abc import Callable

from lvsha.core.advert import GROUP
from lvsha.core.types import Address, Family
from lvsha.errors import KernelError
from lvsha.kernel.ports import Ear, Link, Packet, VrrpSocket

RECEIVE_LIMIT = 1000
"""Packets a socket keeps before it drops, as a receive buffer does."""


class MemoryLan:
    """One segment. Give every host's `MemoryWire` the same one.

    `cut` and `join` are what the world does to a host's cable; `announced` is every announcement
    that reached the segment: (seconds, host, address); `macs` the MAC address a host last
    advertised from, where that is not its interface's own.
    """

    def __init__(self) -> None:
        self.announced: list[tuple[float, str, Address]] = []
        self.sent: list[tuple[float, str, bytes]] = []
        self.macs: dict[str, bytes] = {}
        self._sockets: list[MemorySocket] = []
        self._cut: set[str] = set()
        self._settled: dict[Address, str] = {}

    def cut(self, host: str) -> None:
        """The host hears nobody and nobody hears it; its own link stays up."""
        self._cut.add(host)

    def join(self, host: str) -> None:
        self._cut.discard(host)

    def settle(self, host: str, *addresses: Address) -> None:
        """These are addresses of the host: it answers who asks for them."""
        self._settled.update(dict.fromkeys(addresses, host))

    def reaches(self, host: str, address: Address) -> bool:
        """Whether somebody else on the segment has the address, and both cables are whole."""
        owner = self._settled.get(address, host)
        return owner != host and not {owner, host} & self._cut

    def attach(self, end: MemorySocket) -> None:
        self._sockets.append(end)

    def detach(self, end: MemorySocket) -> None:
        self._sockets.remove(end)

    def carry(self, host: str, packet: Packet) -> None:
        """Bring a VRRP packet to every other host's socket of its family."""
        self.sent.append((_now(), host, packet.data))
        if host not in self._cut:
            for end in self._sockets:
                if end.host not in {host, *self._cut}:
                    end.deliver(packet)

    def carry_announcement(self, host: str, address: Address) -> None:
        if host not in self._cut:
            self.announced.append((_now(), host, address))


class MemoryWire:
    """`ports.Wire` of one host on `lan`. Addresses in `tentative` are not usable as a source."""

    def __init__(self, lan: MemoryLan, host: str) -> None:
        self._lan = lan
        self._host = host
        self.tentative: set[Address] = set()
        self._ear: MemoryEar | None = None
        self.refusal = 0
        """Errno every open, send and announce meets; 0: none."""

    def open(self, link: Link, family: Family, readable: Callable[[], None]) -> VrrpSocket:
        self._refuse(f"vrrp on {link.name}")
        return MemorySocket(self._lan, self._host, GROUP[family], readable, self._refuse)

    def open_unicast(self, source: Address, readable: Callable[[], None]) -> VrrpSocket:
        self._refuse(f"vrrp at {source}")
        if source in self.tentative:
            raise KernelError(errno.EADDRNOTAVAIL, f"vrrp at {source}")
        return MemorySocket(self._lan, self._host, source, readable, self._refuse)

    def usable(self, link: Link, source: Address) -> bool:
        return link.up and source not in self.tentative

    def advertise(self, link: Link, message: bytes, source: Address) -> None:
        self._refuse(f"vrrp on {link.name}")
        group = GROUP[Family.of(source)]
        self._lan.macs[self._host] = link.mac
        self._lan.carry(self._host, Packet(message, source, group, 255))

    def announce(self, link: Link, address: Address) -> None:
        self._refuse(f"announce {address} on {link.name}")
        self._lan.carry_announcement(self._host, address)

    def listen(self, link: Link, heard: Callable[[], None]) -> Ear:
        self._refuse(f"listen on {link.name}")
        self._ear = MemoryEar(heard)
        return self._ear

    def ask(self, link: Link, address: Address) -> None:
        self._refuse(f"ask for {address} on {link.name}")
        if self._ear is not None and self._lan.reaches(self._host, address):
            asyncio.get_running_loop().call_soon(self._ear.hear)

    def _refuse(self, what: str) -> None:
        if self.refusal:
            raise KernelError(self.refusal, what)


class MemoryEar:
    """`ports.Ear`: hears answers."""

    def __init__(self, heard: Callable[[], None]) -> None:
        self._heard: Callable[[], None] | None = heard

    def hear(self) -> None:
        heard, self._heard = self._heard, None
        if heard is not None:
            heard()

    def close(self) -> None:
        self._heard = None


class MemorySocket:
    """`ports.VrrpSocket`: a queue, and a call to `readable` for what is sent to `address`."""

    def __init__(
        self,
        lan: MemoryLan,
        host: str,
        address: Address,
        readable: Callable[[], None],
        refuse: Callable[[str], None],
    ) -> None:
        self.host = host
        self._address = address
        self._readable = readable
        self._refuse = refuse
        self._waiting: deque[Packet] = deque(maxlen=RECEIVE_LIMIT)
        self._lan: MemoryLan | None = lan
        lan.attach(self)

    def deliver(self, packet: Packet) -> None:
        """A packet arrives from the segment."""
        if packet.destination == self._address:
            self._waiting.append(packet)
            asyncio.get_running_loop().call_soon(self._readable)

    def receive(self) -> Packet | None:
        return self._waiting.popleft() if self._waiting else None

    def send(self, message: bytes, source: Address, destination: Address) -> None:
        if self._lan is None:
            raise KernelError(errno.EBADF, "vrrp")
        self._refuse("vrrp")
        self._lan.carry(self.host, Packet(message, source, destination, 255))

    def close(self) -> None:
        if self._lan is not None:
            self._lan.detach(self)
            self._lan = None


def _now() -> float:
    return asyncio.get_running_loop().time()
