"""Asking who is there without saying who asks: frames whose answer shows that a link works.

Law of this file: bytes and numbers only. An ARP probe (RFC 5227 §2.1.1) and a neighbour
solicitation from nowhere (RFC 4861 §7.2.2): no cache changes by them.
"""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

from lvsha.core.frames import ETHERTYPE_ARP, ETHERTYPE_IPV6, ICMPV6
from lvsha.core.internet import checksum, ipv6_packet, pseudo_header
from lvsha.core.types import Address

_BROADCAST = b"\xff" * 6
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_NOWHERE = IPv6Address(0)
_SOLICITED_NODE = int(IPv6Address("ff02::1:ff00:0"))


def question(mac: bytes, address: Address) -> bytes:
    """The frame, Ethernet header onward, that whoever has `address` answers."""
    if address.version == 4:
        ethernet = _BROADCAST + mac + struct.pack("!H", ETHERTYPE_ARP)
        ends = (mac, bytes(4), bytes(6), address.packed)
        return ethernet + _ARP.pack(1, 0x0800, 6, 4, 1, *ends)
    group = IPv6Address(_SOLICITED_NODE | int(address) & 0xFFFFFF)
    body = bytes(4) + address.packed
    covered = pseudo_header(_NOWHERE, group, ICMPV6, 4 + len(body))
    summed = checksum(covered + struct.pack("!BBH", 135, 0, 0) + body)
    message = struct.pack("!BBH", 135, 0, summed) + body
    ethernet = b"\x33\x33" + group.packed[-4:] + mac + struct.pack("!H", ETHERTYPE_IPV6)
    return ethernet + ipv6_packet(message, _NOWHERE, group, ICMPV6)
