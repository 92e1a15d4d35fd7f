"""Asking who is there without saying who asks: frames whose answer shows that a link works.

Law of this file: bytes and numbers only. An ARP probe (RFC 5227 §2.1.1) and a neighbour
solicitation (RFC 4861 §4.3, §7.2.2), from nowhere when everybody is asked: no cache changes by
them. Asked alone, a machine answers as it would answer everybody, and nobody else hears of it.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from lvsha.core.frames import (
    ADVERTISEMENT,
    ARP,
    BROADCAST,
    ETHERTYPE_ARP,
    ICMPV6,
    SOLICITATION,
    multicast_frame,
)
from lvsha.core.internet import checksum, ipv6_packet, pseudo_header
from lvsha.core.types import Address

_NOWHERE = IPv6Address(0)
_SOLICITED_NODE = int(IPv6Address("ff02::1:ff00:0"))
_REPLY = 2
_OWN_MAC = b"\x01\x01"
"""The source link-layer address option, one unit of eight bytes (RFC 4861 §4.6.1)."""


def question(mac: bytes, address: Address) -> bytes:
    """The frame, Ethernet header onward, that whoever has `address` answers."""
    if address.version == 4:
        return BROADCAST + mac + struct.pack("!H", ETHERTYPE_ARP) + _probe(mac, address)
    return multicast_frame(mac, _solicitation(address, _NOWHERE), _group(address))


def question_alone(mac: bytes, address: Address, source: Address) -> bytes:
    """What to ask one machine, ARP or IPv6 header onward.

    `source` is where an answer of IPv6 goes: one to nowhere would go to all nodes, and into
    their caches.
    """
    if address.version == 4:
        return _probe(mac, address)
    return _solicitation(address, source, _OWN_MAC + mac)


def answered(packet: bytes) -> Address | None:
    """The address that this packet, an ARP or IPv6 header onward, says somebody has.

    None where it is no answer.
    """
    if packet[:2] == b"\x00\x01" and len(packet) >= ARP.size:  # ARP of Ethernet
        fields = ARP.unpack_from(packet)
        return IPv4Address(fields[6]) if fields[4] == _REPLY else None
    is_icmp = len(packet) >= 64 and packet[0] >> 4 == 6 and packet[6] == ICMPV6
    if is_icmp and packet[40] == ADVERTISEMENT:
        return IPv6Address(packet[48:64])
    return None


def _probe(mac: bytes, address: Address) -> bytes:
    ends = (mac, bytes(4), bytes(6), address.packed)
    return ARP.pack(1, 0x0800, 6, 4, 1, *ends)


def _solicitation(address: Address, source: Address, option: bytes = b"") -> bytes:
    group = _group(address)
    body = bytes(4) + address.packed + option
    covered = pseudo_header(source, group, ICMPV6, 4 + len(body))
    summed = checksum(covered + struct.pack("!BBH", SOLICITATION, 0, 0) + body)
    message = struct.pack("!BBH", SOLICITATION, 0, summed) + body
    return ipv6_packet(message, source, group, ICMPV6)


def _group(address: Address) -> IPv6Address:
    """The solicited-node multicast address (RFC 4291 §2.7.1)."""
    return IPv6Address(_SOLICITED_NODE | int(address) & 0xFFFFFF)
