"""VRRP on raw sockets, ARP and neighbour advertisements on a packet socket.

One raw socket carries all virtual routers of an interface and family, both ways; those that speak
to peers alone share one at this machine's address. IPv4 packets are built whole
(`core.internet`), IPv6 headers by the kernel. Nothing here ever waits.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TypeVar, cast

from lvsha.core.advert import GROUP, PROTOCOL
from lvsha.core.asking import question
from lvsha.core.frames import announcement, multicast_frame
from lvsha.core.internet import NETWORK_CONTROL, ipv4_packet, ipv6_packet
from lvsha.core.types import Address, Family
from lvsha.errors import KernelError
from lvsha.kernel.ear import PacketEar
from lvsha.kernel.ports import Ear, Link, Packet, VrrpSocket

RECEIVE_BUFFER = 1 << 20
"""Room for some thousand packets: what comes while this process is held up must not be lost."""

IP_MULTICAST_ALL = 49  # linux/in.h, not in the socket module
IPV6_MULTICAST_ALL = 29  # linux/in6.h
SO_RCVBUFFORCE = 33  # asm-generic/socket.h
TC_PRIO_CONTROL = 7  # linux/pkt_sched.h

_LONGEST = 65_535
_ANCILLARY = 128
_HOP_LIMIT = struct.Struct("i")
_PACKET_INFO = struct.Struct("16sI")

_OPTIONS6 = {
    IPV6_MULTICAST_ALL: 0,
    socket.IPV6_MULTICAST_HOPS: 255,
    socket.IPV6_UNICAST_HOPS: 255,
    socket.IPV6_TCLASS: NETWORK_CONTROL,
    socket.IPV6_RECVHOPLIMIT: 1,
    socket.IPV6_RECVPKTINFO: 1,
}

Where = TypeVar("Where", Link, Address)


class RawWire:
    """The machine's own segments. KernelError(EPERM) without CAP_NET_RAW."""

    def __init__(self) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_NONBLOCK
        with _refusals("packet socket"):
            self._frames = socket.socket(socket.AF_PACKET, kind, 0)
        self._identification = 0

    def open(self, link: Link, family: Family, readable: Callable[[], None]) -> VrrpSocket:
        what = f"vrrp on {link.name}"
        with _refusals(what):
            if family is Family.IPV4:
                return RawSocket4(_opened(family, _member4, link), what, readable)
            return RawSocket6(_opened(family, _member6, link), what, readable, link.index)

    def open_unicast(self, source: Address, readable: Callable[[], None]) -> VrrpSocket:
        what, family = f"vrrp at {source}", Family.of(source)
        with _refusals(what):
            end = _opened(family, _bound, source)
            if family is Family.IPV4:
                return RawSocket4(end, what, readable)
            return RawSocket6(end, what, readable)

    def usable(self, link: Link, source: Address) -> bool:
        """Binding is refused for an address that is not here or still tentative."""
        family = Family.of(source)
        end = (str(source), 0) if family is Family.IPV4 else (str(source), 0, 0, link.index)
        with socket.socket(family, socket.SOCK_DGRAM) as trial:
            try:
                trial.bind(end)
            except OSError:
                return False
        return True

    def announce(self, link: Link, address: Address) -> None:
        is_router = address.version == 6 and _forwards_ipv6(link.name)
        with _refusals(f"announce {address} on {link.name}"):
            self._frames.sendto(announcement(link.mac, address, is_router), (link.name, 0))

    def advertise(self, link: Link, message: bytes, source: Address) -> None:
        family = Family.of(source)
        group = GROUP[family]
        if family is Family.IPV4:
            self._identification += 1
            packet = ipv4_packet(message, source, group, PROTOCOL, self._identification)
        else:
            packet = ipv6_packet(message, source, group, PROTOCOL, NETWORK_CONTROL)
        with _refusals(f"vrrp on {link.name}"):
            self._frames.sendto(multicast_frame(link.mac, packet, group), (link.name, 0))

    def listen(self, link: Link, heard: Callable[[], None]) -> Ear:
        return PacketEar(link, heard)

    def ask(self, link: Link, address: Address) -> None:
        with _refusals(f"ask for {address} on {link.name}"):
            self._frames.sendto(question(link.mac, address), (link.name, 0))

    def close(self) -> None:
        self._frames.close()


class RawSocket4:
    """VRRP over IPv4."""

    def __init__(self, end: socket.socket, what: str, readable: Callable[[], None]) -> None:
        self._what = what
        self._identification = 0
        self._socket = end
        asyncio.get_running_loop().add_reader(end, readable)

    def receive(self) -> Packet | None:
        try:
            raw = self._socket.recv(_LONGEST)
        except BlockingIOError:
            return None
        except OSError as error:
            raise _refused(error, self._what) from error
        header = (raw[0] & 0x0F) * 4
        source, destination = IPv4Address(raw[12:16]), IPv4Address(raw[16:20])
        return Packet(raw[header:], source, destination, raw[8])

    def send(self, message: bytes, source: Address, destination: Address) -> None:
        self._identification += 1
        packet = ipv4_packet(message, source, destination, PROTOCOL, self._identification)
        try:
            self._socket.sendto(packet, (str(destination), 0))
        except OSError as error:
            raise _refused(error, self._what) from error

    def close(self) -> None:
        _close(self._socket)


class RawSocket6:
    """VRRP over IPv6. `index` of the interface packets leave by; 0: as they are routed."""

    def __init__(
        self, end: socket.socket, what: str, readable: Callable[[], None], index: int = 0
    ) -> None:
        self._what = what
        self._index = index
        self._socket = end
        asyncio.get_running_loop().add_reader(end, readable)

    def receive(self) -> Packet | None:
        with _refusals(self._what):
            try:
                data, ancillary, _, sender = self._socket.recvmsg(_LONGEST, _ANCILLARY)
            except BlockingIOError:
                return None
        ttl, destination = 0, IPv6Address(0)
        for level, kind, value in ancillary:
            if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_HOPLIMIT):
                (ttl,) = _HOP_LIMIT.unpack(value)
            elif (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
                destination = IPv6Address(_PACKET_INFO.unpack(value)[0])
        source = IPv6Address(cast("str", sender[0]).partition("%")[0])
        return Packet(data, source, destination, ttl)

    def send(self, message: bytes, source: Address, destination: Address) -> None:
        info = _PACKET_INFO.pack(source.packed, self._index)
        ancillary = [(socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, info)]
        end = (str(destination), 0, 0, self._index)
        with _refusals(self._what):
            self._socket.sendmsg([message], ancillary, 0, end)

    def close(self) -> None:
        _close(self._socket)


def _opened(
    family: Family, place: Callable[[socket.socket, Where], None], where: Where
) -> socket.socket:
    """A raw VRRP socket that `place` puts where it hears and speaks."""
    end = socket.socket(family, socket.SOCK_RAW | socket.SOCK_NONBLOCK, PROTOCOL)
    try:
        end.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_PRIORITY, TC_PRIO_CONTROL)
        if family is Family.IPV4:
            _set(end, socket.IPPROTO_IP, {IP_MULTICAST_ALL: 0, socket.IP_HDRINCL: 1})
        else:
            _set(end, socket.IPPROTO_IPV6, _OPTIONS6)
        place(end, where)
    except OSError:
        end.close()
        raise
    return end


def _member4(end: socket.socket, link: Link) -> None:
    """On this interface alone, in the VRRP group."""
    _only_on(end, link)
    request = struct.pack("=4s4si", GROUP[Family.IPV4].packed, bytes(4), link.index)
    options: dict[int, int | bytes] = {
        socket.IP_ADD_MEMBERSHIP: request,
        socket.IP_MULTICAST_IF: request,
        socket.IP_MULTICAST_LOOP: 0,
    }
    _set(end, socket.IPPROTO_IP, options)


def _member6(end: socket.socket, link: Link) -> None:
    """On this interface alone, in the VRRP group."""
    _only_on(end, link)
    options: dict[int, int | bytes] = {
        socket.IPV6_JOIN_GROUP: GROUP[Family.IPV6].packed + struct.pack("=I", link.index),
        socket.IPV6_MULTICAST_IF: link.index,
        socket.IPV6_MULTICAST_LOOP: 0,
    }
    _set(end, socket.IPPROTO_IPV6, options)


def _bound(end: socket.socket, source: Address) -> None:
    """To what is sent to this address, wherever it comes in."""
    end.bind((str(source), 0))


def _only_on(end: socket.socket, link: Link) -> None:
    end.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, link.name.encode() + b"\0")


def _set(end: socket.socket, level: int, options: Mapping[int, int | bytes]) -> None:
    for option, value in options.items():
        end.setsockopt(level, option, value)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(RuntimeError):  # the loop may be closing
        asyncio.get_running_loop().remove_reader(end)
    end.close()


def _forwards_ipv6(interface: str) -> bool:
    try:
        return Path(f"/proc/sys/net/ipv6/conf/{interface}/forwarding").read_text() != "0\n"
    except OSError:
        return False


@contextmanager
def _refusals(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _refused(error, what) from error


def _refused(error: OSError, what: str) -> KernelError:
    return KernelError(error.errno or errno.EIO, what)
