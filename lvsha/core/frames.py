"""How a new master tells the segment where an address now lives: frames, and when they go.

Laws of this file: bytes and numbers only. Gratuitous ARP as keepalived sends it (a request,
RFC 5227 §3), unsolicited neighbour advertisements (RFC 4861 §7.2.6). Times are seconds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import NamedTuple

from lvsha.core.internet import checksum, ipv6_packet, pseudo_header
from lvsha.core.types import Address, Family

ETHERTYPE_IPV4 = 0x0800
ETHERTYPE_ARP = 0x0806
ETHERTYPE_IPV6 = 0x86DD
ICMPV6 = 58
SOLICITATION, ADVERTISEMENT = 135, 136
"""Types of ICMPv6: neighbour discovery (RFC 4861 §4.3, §4.4)."""

BROADCAST = b"\xff" * 6
ARP = struct.Struct("!HHBBH6s4s6s4s")
_ALL_NODES_MAC = bytes.fromhex("333300000001")
_ALL_NODES = IPv6Address("ff02::1")
_ROUTER, _OVERRIDE = 0x80000000, 0x20000000


@dataclass(frozen=True, slots=True)
class Garp:
    """How a master announces: `repeat` copies at once and again after `delay`, then one copy
    every `refresh`, with `interval` between frames. All in seconds; a delay or refresh of 0: not.
    """

    repeat: int = 5
    delay: float = 5.0
    refresh: float = 60.0
    interval: float = 0.0


class Burst(NamedTuple):
    """`copies` of every announcement, `after` seconds from when mastership began."""

    after: float
    copies: int


def bursts(garp: Garp) -> Iterator[Burst]:
    """When to announce, for as long as the caller stays master.

    The second burst is for switches whose port was not forwarding yet, the slow refresh for
    caches that an old master, or nobody, corrected.
    """
    yield Burst(0.0, garp.repeat)
    if garp.delay:
        yield Burst(garp.delay, garp.repeat)
    after = garp.refresh
    while garp.refresh:
        yield Burst(after, 1)
        after += garp.refresh


def announcement(mac: bytes, address: Address, is_router: bool) -> bytes:
    """The frame, Ethernet header onward, that moves `address` to `mac` in neighbours' caches."""
    if address.version == 4:
        return gratuitous_arp(mac, address)
    return unsolicited_advertisement(mac, address, is_router)


def virtual_mac(family: Family, virtual_router_id: int) -> bytes:
    """The MAC address of a virtual router (RFC 9568 §7.3)."""
    block = 1 if family is Family.IPV4 else 2
    return bytes((0x00, 0x00, 0x5E, 0x00, block, virtual_router_id))


def multicast_frame(mac: bytes, packet: bytes, group: Address) -> bytes:
    """An IP packet to a multicast group, from this MAC address (RFC 1112 §6.4, RFC 2464 §7)."""
    if group.version == 4:
        low = (int(group) & 0x7FFFFF).to_bytes(3, "big")
        return b"\x01\x00\x5e" + low + mac + struct.pack("!H", ETHERTYPE_IPV4) + packet
    return b"\x33\x33" + group.packed[-4:] + mac + struct.pack("!H", ETHERTYPE_IPV6) + packet


def gratuitous_arp(mac: bytes, address: Address) -> bytes:
    """A broadcast ARP request whose sender and target are both `address`."""
    ethernet = BROADCAST + mac + struct.pack("!H", ETHERTYPE_ARP)
    ends = (mac, address.packed, BROADCAST, address.packed)
    return ethernet + ARP.pack(1, 0x0800, 6, 4, 1, *ends)


def unsolicited_advertisement(mac: bytes, address: Address, is_router: bool) -> bytes:
    """A neighbour advertisement to all nodes: override set, solicited clear, with our address.

    `is_router` follows whether this machine forwards, as in its own answers (RFC 4861 §7.2.4).
    """
    flags = _OVERRIDE | (_ROUTER if is_router else 0)
    body = struct.pack("!I16sBB6s", flags, address.packed, 2, 1, mac)
    covered = pseudo_header(address, _ALL_NODES, ICMPV6, 4 + len(body))
    message = struct.pack("!BBH", ADVERTISEMENT, 0, 0) + body
    message = struct.pack("!BBH", ADVERTISEMENT, 0, checksum(covered + message)) + body
    ethernet = _ALL_NODES_MAC + mac + struct.pack("!H", ETHERTYPE_IPV6)
    return ethernet + ipv6_packet(message, address, _ALL_NODES, ICMPV6)
