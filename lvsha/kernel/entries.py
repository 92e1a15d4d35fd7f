"""IPVS services and destinations as the kernel tells them: attributes → our values.

The HASHED flag is the kernel's own mark and masked off; the persistence timeout is told only
with PERSISTENT. A table is read every few seconds, so destinations have a fast way: kernels
since 5.3 send the same attributes in the same order, which one unpack takes, and what was told
before is the same value again; anything else goes attribute by attribute. Counters are looked
at only where they are asked for.
Raises nothing but KernelError(EBADMSG), whatever arrives.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address
from socket import ntohs

from lvsha.core.types import (
    Address,
    Destination,
    DestinationKey,
    DestinationStatus,
    Family,
    Forwarding,
    FwmarkKey,
    Key,
    Protocol,
    Service,
    ServiceFlags,
    ServiceKey,
    ServiceStatus,
    Stats,
    Tunnel,
    TunnelFlags,
    TunnelType,
)
from lvsha.kernel.netlink import (
    U32,
    Fields,
    attributes,
    be16,
    be32,
    header,
    read_text,
    reading,
    u8,
    u16,
    u32,
)
from lvsha.kernel.nla import Attr, Dest, Svc
from lvsha.kernel.requests import FLAGS


@reading
def services(entries: Iterable[bytes]) -> tuple[Service, ...]:
    """Services of a dump, in its order, without those of a protocol lvsha has no word for."""
    return tuple(_service(fields) for fields in _expressible(entries))


@reading
def service_statuses(entries: Iterable[bytes]) -> tuple[ServiceStatus, ...]:
    """The same with their counters."""
    return tuple(
        ServiceStatus(_service(fields), _stats(fields, Svc.STATS64, Svc.STATS))
        for fields in _expressible(entries)
    )


@reading
def destinations(entries: Iterable[bytes], family: Family) -> tuple[Destination, ...]:
    """Destinations of a dump, in its order; `family` of the service is theirs if none is told."""
    return tuple(_destination(entry, family) for entry in entries)


@reading
def destination_statuses(
    entries: Iterable[bytes], family: Family, *, counters: bool = True
) -> tuple[DestinationStatus, ...]:
    """The same with their connection counts and, unless they are not wanted, counters."""
    return tuple(_status(entry, family, counters) for entry in entries)


def _address(family: int, payload: bytes) -> Address:
    if family == Family.IPV4:
        return IPv4Address(payload[:4])
    if family == Family.IPV6:
        return IPv6Address(payload)
    raise ValueError(f"address family {family}")


_PROTOCOLS = frozenset(Protocol)


def _expressible(entries: Iterable[bytes]) -> Iterator[Fields]:
    for entry in entries:
        fields = attributes(attributes(entry)[Attr.SERVICE])
        if Svc.FWMARK in fields or u16(fields[Svc.PROTOCOL]) in _PROTOCOLS:
            yield fields


def _service(fields: Fields) -> Service:
    family = Family(u16(fields[Svc.AF]))
    flags = ServiceFlags(FLAGS.unpack(fields[Svc.FLAGS])[0] & ~_HASHED)
    persistent = ServiceFlags.PERSISTENT in flags
    return Service(
        _key(family, fields),
        read_text(fields[Svc.SCHED_NAME]),
        flags,
        u32(fields[Svc.TIMEOUT]) if persistent else 0,
        _prefix(family, fields[Svc.NETMASK]),
        read_text(fields.get(Svc.PE_NAME, b"")),
    )


_HASHED = 0x0002  # IP_VS_SVC_F_HASHED


def _key(family: Family, fields: Fields) -> Key:
    if Svc.FWMARK in fields:
        return FwmarkKey(family, u32(fields[Svc.FWMARK]))
    return ServiceKey(
        Protocol(u16(fields[Svc.PROTOCOL])),
        _address(family, fields[Svc.ADDR]),
        be16(fields[Svc.PORT]),
    )


def _prefix(family: Family, netmask: bytes) -> int:
    """Of an IPv4 mask with holes minus its number: no prefix length says it."""
    if family is Family.IPV6:
        return u32(netmask)
    mask = be32(netmask)
    prefix = mask.bit_count()
    return prefix if mask == 0xFFFFFFFF << (32 - prefix) & 0xFFFFFFFF else -mask


# A destination as kernels since 5.3 tell it: its connection counts stand amid what was set.
_SET = struct.Struct("=2xH I16s IH2x II II IB3x IH2x IH2x II II IH2x")
_COUNTS = struct.Struct("=II II II")
_USUAL = _SET.size + _COUNTS.size
_FAMILY_AT = _USUAL - 8
_COUNTS_AT = _FAMILY_AT - _COUNTS.size


def _headers(*attributes: tuple[Dest, int]) -> tuple[int, ...]:
    """Headers of attributes with payloads of these lengths, as numbers."""
    return tuple(U32.unpack(header(kind, length))[0] for kind, length in attributes)


_SET_HEADERS = _headers(
    (Dest.ADDR, 16),
    (Dest.PORT, 2),
    (Dest.FWD_METHOD, 4),
    (Dest.WEIGHT, 4),
    (Dest.TUN_TYPE, 1),
    (Dest.TUN_PORT, 2),
    (Dest.TUN_FLAGS, 2),
    (Dest.U_THRESH, 4),
    (Dest.L_THRESH, 4),
    (Dest.ADDR_FAMILY, 2),
)
_COUNTS_KINDS = (Dest.ACTIVE_CONNS, Dest.INACT_CONNS, Dest.PERSIST_CONNS)
_COUNTS_HEADERS = _headers(*((kind, 4) for kind in _COUNTS_KINDS))

_REMEMBERED = 65_536
"""Destinations kept from dump to dump, the latest ones; the table holds most of them anyway."""


def _destination(entry: bytes, family: Family) -> Destination:
    return _usual(_set(entry)) or _from_fields(_fields(entry), family)


def _set(entry: bytes) -> bytes:
    """What changes only by command, in an entry told the usual way."""
    return entry[:_COUNTS_AT] + entry[_FAMILY_AT:_USUAL]


@lru_cache(_REMEMBERED)
def _usual(told: bytes) -> Destination | None:
    """None: it is not told the usual way."""
    if len(told) < _SET.size:
        return None
    kind, *fields = _SET.unpack(told)
    if kind != Attr.DEST or tuple(fields[::2]) != _SET_HEADERS:
        return None
    address, port, method, weight, tunnel, tunnel_port, flags, upper, lower, family = fields[1::2]
    return Destination(
        DestinationKey(_address(family, address), ntohs(port)),
        _forwarding(method),
        weight,
        upper,
        lower,
        _tunnel(tunnel, tunnel_port, flags),
    )


def _fields(entry: bytes) -> Fields:
    return attributes(attributes(entry)[Attr.DEST])


def _from_fields(fields: Fields, family: Family) -> Destination:
    told = u16(fields[Dest.ADDR_FAMILY]) if Dest.ADDR_FAMILY in fields else family
    return Destination(
        DestinationKey(_address(told, fields[Dest.ADDR]), be16(fields[Dest.PORT])),
        _forwarding(u32(fields[Dest.FWD_METHOD])),
        u32(fields[Dest.WEIGHT]),
        u32(fields[Dest.U_THRESH]),
        u32(fields[Dest.L_THRESH]),
        _tunnel(
            u8(fields.get(Dest.TUN_TYPE, b"\0")),
            u16(fields.get(Dest.TUN_PORT, b"\0\0")),
            u16(fields.get(Dest.TUN_FLAGS, b"\0\0")),
        ),
    )


_FORWARDING = {method.value: method for method in Forwarding}


def _forwarding(method: int) -> Forwarding:
    if method not in _FORWARDING:
        raise ValueError(f"forwarding method {method}")
    return _FORWARDING[method]


_NO_TUNNEL = Tunnel()


def _tunnel(kind: int, port: int, flags: int) -> Tunnel:
    """`port` as the attribute holds it, in network byte order."""
    if not (kind or port or flags):
        return _NO_TUNNEL
    return Tunnel(TunnelType(kind), ntohs(port), TunnelFlags(flags))


_NO_STATS = Stats()


def _status(entry: bytes, family: Family, counters: bool) -> DestinationStatus:
    destination = _usual(_set(entry))
    told = _COUNTS.unpack_from(entry, _COUNTS_AT) if destination is not None else ()
    if destination is not None and told[::2] == _COUNTS_HEADERS:
        _, active, _, inactive, _, persistent = told
        fields = attributes(entry[_USUAL:]) if counters else {}
    else:
        fields = _fields(entry)
        destination = _from_fields(fields, family)
        active, inactive, persistent = (u32(fields[kind]) for kind in _COUNTS_KINDS)
    stats = _stats(fields, Dest.STATS64, Dest.STATS) if counters else _NO_STATS
    return DestinationStatus(destination, active, inactive, persistent, stats)


_COUNTERS = range(1, 11)  # IPVS_STATS_ATTR_CONNS to _OUTBPS, in the order of Stats


# As told by machines that read numbers anywhere, and by those that want them aligned.
_WIDE_STATS = {
    layout.size: layout
    for layout in (struct.Struct("=" + "IQ" * 10), struct.Struct("=" + "IQ4x" * 9 + "IQ"))
}
_STATS_HEADERS = tuple(U32.unpack(header(kind, 8))[0] for kind in _COUNTERS)


def _stats(fields: Fields, wide: int, narrow: int) -> Stats:
    """64-bit counters (since Linux 4.1), or the older ones: 32 bits but for the bytes."""
    told = fields[wide] if wide in fields else fields.get(narrow, b"")
    layout = _WIDE_STATS.get(len(told))
    if layout is not None:
        values = layout.unpack(told)
        if values[::2] == _STATS_HEADERS:
            return Stats(*values[1::2])
    counters = attributes(told)
    return Stats(*(int.from_bytes(counters.get(kind, b""), sys.byteorder) for kind in _COUNTERS))
