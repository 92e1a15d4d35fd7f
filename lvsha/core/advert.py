"""VRRP advertisements ↔ bytes, with the receive checks of RFC 9568 §7.1 and RFC 3768 §7.1.

Laws of this file: values and bytes only. A check that fails raises `PacketError` whose cause is
the name of a counter; nothing else is ever raised, whatever the bytes. Versions 2 (IPv4,
RFC 3768) and 3 (IPv4 and IPv6, RFC 9568). Intervals are seconds.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from lvsha.core.authentication import PASSWORD_BYTES, Password
from lvsha.core.internet import checksum, pseudo_header, verifies
from lvsha.core.plan import VirtualRouter
from lvsha.core.types import Address, Family
from lvsha.errors import PacketError

PROTOCOL = 112
"""VRRP's IP protocol number."""

GROUP: dict[Family, Address] = {
    Family.IPV4: IPv4Address("224.0.0.18"),
    Family.IPV6: IPv6Address("ff02::12"),
}
"""Where advertisements go (RFC 9568 §5.1.1.2, §5.1.2.2)."""

ADVERTISEMENT = 1
NO_AUTHENTICATION, SIMPLE_TEXT_PASSWORD = 0, 1
"""Authentication types of version 2 (RFC 2338 §5.3.6)."""
AUTHENTICATION_DATA = PASSWORD_BYTES
"""Length of the field RFC 3768 keeps for RFC 2338's sake; peers drop a packet without it."""

_HEADER = struct.Struct("!BBBBHH")


@dataclass(frozen=True, slots=True)
class Advertisement:
    """One VRRP message. Priority 0: the master stops taking part.

    `pseudo_header`: the version 3 IPv4 checksum covers addresses, as keepalived has it, or only
    the message, as RFC 9568 §5.2.8 has it. Fixed elsewhere: IPv6 always does, version 2 never.
    `password` is version 2's authentication data, eight bytes; None: no authentication.
    """

    version: int
    virtual_router_id: int
    priority: int
    interval: float
    addresses: tuple[Address, ...]
    pseudo_header: bool = True
    password: bytes | None = field(default=None, repr=False)


def of(vr: VirtualRouter, priority: int) -> Advertisement:
    """What `vr` advertises at `priority`: its addresses in file order, as its peers have them."""
    return Advertisement(
        vr.version,
        vr.virtual_router_id,
        priority,
        vr.advertisement_interval,
        tuple(address.ip for address in vr.addresses),
        vr.version == 3 and (vr.pseudo_header_checksum or vr.family is Family.IPV6),
        vr.authentication.data if isinstance(vr.authentication, Password) else None,
    )


def encode(ad: Advertisement, source: Address, destination: Address, trailer: bytes = b"") -> bytes:
    """The VRRP message, without IP header, and what is to follow it."""
    kind = NO_AUTHENTICATION if ad.password is None else SIMPLE_TEXT_PASSWORD
    timing = round(ad.interval * 100) if ad.version == 3 else kind << 8 | round(ad.interval)
    head = (
        ad.version << 4 | ADVERTISEMENT,
        ad.virtual_router_id,
        ad.priority,
        len(ad.addresses),
        timing,
    )
    tail = b"".join(address.packed for address in ad.addresses)
    if ad.version == 2:
        tail += ad.password or bytes(AUTHENTICATION_DATA)
    message = _HEADER.pack(*head, 0) + tail
    covered = _summed(message, trailer, source)
    if ad.pseudo_header:
        covered = _covered(source, destination, covered)
    return _HEADER.pack(*head, checksum(covered)) + tail + trailer


def decode(
    data: bytes,
    source: Address,
    destination: Address,
    ttl: int,
    *,
    lowest_ttl: int = 255,
    trailer: int = 0,
) -> Advertisement:
    """The advertisement in a VRRP message, which `trailer` bytes must follow.

    PacketError(cause) when a receive check fails.
    """
    if len(data) < _HEADER.size:
        raise PacketError("truncated", f"{len(data)} bytes from {source}")
    first, virtual_router_id, priority, count, timing, _ = _HEADER.unpack_from(data)
    version = first >> 4
    if ttl < lowest_ttl:
        raise PacketError("ttl", f"{ttl} from {source}")
    if version != 3 and not (version == 2 and source.version == 4):
        raise PacketError("version", f"{version} from {source}")
    if first & 0x0F != ADVERTISEMENT:
        raise PacketError("type", f"{first & 0x0F} from {source}")
    if virtual_router_id == 0:
        raise PacketError("virtual_router_id", f"0 from {source}")
    if count == 0:
        raise PacketError("no_addresses", f"from {source}")
    message = data[: _checked_length(data, version, count, source, trailer)]
    summed = _summed(message, data[len(message) :], source)
    return Advertisement(
        version,
        virtual_router_id,
        priority,
        _interval(version, timing, source),
        _addresses(message, count, source.version),
        _check_sum(summed, version, source, destination),
        _password(message, timing, source) if version == 2 else None,
    )


def admit(ad: Advertisement, vr: VirtualRouter, source: Address) -> None:
    """PacketError(cause) when a well-formed `ad` must not take part in the election of `vr`."""
    if ad.version != vr.version:
        raise PacketError("version", f"{ad.version} from {source}, ours is {vr.version}")
    if ad.version == 2:
        _admit_password(ad, vr, source)
        if ad.interval != vr.advertisement_interval:
            ours = f"ours is {vr.advertisement_interval:g}"
            raise PacketError("interval", f"{ad.interval:g} s from {source}, {ours}")


def _admit_password(ad: Advertisement, vr: VirtualRouter, source: Address) -> None:
    ours = vr.authentication.data if isinstance(vr.authentication, Password) else None
    if (ad.password is None) != (ours is None):
        theirs = "none" if ad.password is None else "a password"
        wanted = "none" if ours is None else "a password"
        raise PacketError("authentication", f"{theirs} from {source}, {wanted} wanted")
    if ad.password != ours:
        raise PacketError("password", f"wrong from {source}")


def same_addresses(ad: Advertisement, vr: VirtualRouter) -> bool:
    """True when a peer advertises what we would; the order is free (RFC 9568 §7.1: may warn)."""
    return set(ad.addresses) == {address.ip for address in vr.addresses}


def _checked_length(data: bytes, version: int, count: int, source: Address, trailer: int) -> int:
    """Where the VRRP message ends."""
    size = 4 if source.version == 4 else 16
    message = _HEADER.size + count * size + (AUTHENTICATION_DATA if version == 2 else 0)
    wanted = message + trailer
    if trailer and len(data) == message:
        raise PacketError("hmac_missing", f"from {source}")
    if len(data) != wanted:
        cause = "truncated" if len(data) < wanted else "overlong"
        raise PacketError(cause, f"{len(data)} bytes from {source}, {wanted} wanted")
    return message


def _check_sum(data: bytes, version: int, source: Address, destination: Address) -> bool:
    if version == 3 and verifies(_covered(source, destination, data)):
        return True
    if source.version == 4 and verifies(data):
        return False
    raise PacketError("checksum", f"from {source}")


def _interval(version: int, timing: int, source: Address) -> float:
    units = timing & 0x0FFF if version == 3 else timing & 0xFF
    if units == 0:
        raise PacketError("interval", f"0 from {source}")
    return units / 100 if version == 3 else float(units)


def _password(message: bytes, timing: int, source: Address) -> bytes | None:
    match timing >> 8:
        case kind if kind == NO_AUTHENTICATION:
            return None
        case kind if kind == SIMPLE_TEXT_PASSWORD:
            return message[-AUTHENTICATION_DATA:]
        case kind:
            raise PacketError("authentication", f"type {kind} from {source}")


def _addresses(data: bytes, count: int, ip_version: int) -> tuple[Address, ...]:
    start = _HEADER.size
    if ip_version == 4:
        return tuple(IPv4Address(data[at : at + 4]) for at in range(start, start + 4 * count, 4))
    return tuple(IPv6Address(data[at : at + 16]) for at in range(start, start + 16 * count, 16))


def _summed(message: bytes, trailer: bytes, source: Address) -> bytes:
    """What the checksum covers: of IPv6 everything, as the kernel has it, of IPv4 the message."""
    return message + trailer if source.version == 6 else message


def _covered(source: Address, destination: Address, message: bytes) -> bytes:
    return pseudo_header(source, destination, PROTOCOL, len(message)) + message
