"""What VRRP, ARP and ND share of the Internet's wire: the checksum, pseudo-headers, IP headers.

Law of this file: bytes in, bytes out. RFC 1071 (checksum), RFC 791 (IPv4), RFC 8200 (IPv6).
"""

from __future__ import annotations

import struct

from lvsha.core.types import Address

NETWORK_CONTROL = 0xC0
"""Type of service of routing protocols: precedence 6 (RFC 791 §3.1), class selector CS6."""

_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_IPV6 = struct.Struct("!IHBB16s16s")


def checksum(data: bytes) -> int:
    """The ones' complement checksum that makes `data` verify (RFC 1071).

    2^16 is 1 modulo 0xffff, so the sum of all 16-bit words is the whole number modulo 0xffff.
    """
    return 0xFFFF - ((_words(data) % 0xFFFF) or 0xFFFF)


def verifies(data: bytes) -> bool:
    """True when `data`, checksum included, sums to ones' complement zero."""
    return _words(data) % 0xFFFF == 0


def pseudo_header(source: Address, destination: Address, protocol: int, length: int) -> bytes:
    """What the upper layer's checksum covers of the IP header (RFC 9293 §3.1, RFC 8200 §8.1)."""
    ends = source.packed + destination.packed
    if source.version == 4:
        return ends + struct.pack("!BBH", 0, protocol, length)
    return ends + struct.pack("!II", length, protocol)


def ipv4_packet(
    payload: bytes, source: Address, destination: Address, protocol: int, identification: int
) -> bytes:
    """A network-control packet with TTL 255 and no flags around `payload`."""
    length = _IPV4.size + len(payload)
    fields = (0x45, NETWORK_CONTROL, length, identification & 0xFFFF, 0, 255, protocol)
    ends = (source.packed, destination.packed)
    return _IPV4.pack(*fields, checksum(_IPV4.pack(*fields, 0, *ends)), *ends) + payload


def ipv6_packet(
    payload: bytes,
    source: Address,
    destination: Address,
    next_header: int,
    traffic_class: int = 0,
) -> bytes:
    """A packet with hop limit 255 around `payload`."""
    ends = (source.packed, destination.packed)
    first = 6 << 28 | traffic_class << 20
    return _IPV6.pack(first, len(payload), next_header, 255, *ends) + payload


def _words(data: bytes) -> int:
    return int.from_bytes(data + b"\0" if len(data) % 2 else data, "big")
