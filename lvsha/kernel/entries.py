"""IPVS services and destinations as the kernel tells them: attributes → our values.

The HASHED flag is the kernel's own mark and masked off; the persistence timeout is told only
with PERSISTENT. A table is read every few seconds, so destinations have a fast way: kernels
since 5.3 send the same attributes in the same order, which one unpack takes; anything else
goes attribute by attribute. Counters are looked at only where they are asked for.
Raises nothing but KernelError(EBADMSG), whatever arrives.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from socket import ntohs
from typing import NamedTuple

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
    return tuple(_destination(_fast_values(entry) or _values(entry, family)) for entry in entries)


@reading
def destination_statuses(
    entries: Iterable[bytes], family: Family, *, counters: bool = True
) -> tuple[DestinationStatus, ...]:
    """The same with their connection counts and, unless they are not wanted, counters."""
    status = _destination_status if counters else _destination_counts
    return tuple(status(entry, family) for entry in entries)


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


class _Values(NamedTuple):
    """What a destination's attributes say, before it has a shape; `port` not yet swapped."""

    address: bytes
    port: int
    forwarding: int
    weight: int
    tunnel_type: int
    tunnel_port: int
    tunnel_flags: int
    upper_threshold: int
    lower_threshold: int
    active: int
    inactive: int
    persistent: int
    family: int


_ENTRY = struct.Struct("=2xH I16s IH2x II II IB3x IH2x IH2x II II II II II IH2x")
_HEADERS = tuple(
    U32.unpack(header(kind, length))[0]
    for kind, length in (
        (Dest.ADDR, 16),
        (Dest.PORT, 2),
        (Dest.FWD_METHOD, 4),
        (Dest.WEIGHT, 4),
        (Dest.TUN_TYPE, 1),
        (Dest.TUN_PORT, 2),
        (Dest.TUN_FLAGS, 2),
        (Dest.U_THRESH, 4),
        (Dest.L_THRESH, 4),
        (Dest.ACTIVE_CONNS, 4),
        (Dest.INACT_CONNS, 4),
        (Dest.PERSIST_CONNS, 4),
        (Dest.ADDR_FAMILY, 2),
    )
)


def _fast_values(entry: bytes) -> _Values | None:
    if len(entry) < _ENTRY.size:
        return None
    told = _ENTRY.unpack_from(entry)
    return _Values._make(told[2::2]) if told[0] == Attr.DEST and told[1::2] == _HEADERS else None


def _values(entry: bytes, family: Family) -> _Values:
    fields = attributes(attributes(entry)[Attr.DEST])
    return _Values(
        fields[Dest.ADDR],
        u16(fields[Dest.PORT]),
        u32(fields[Dest.FWD_METHOD]),
        u32(fields[Dest.WEIGHT]),
        u8(fields.get(Dest.TUN_TYPE, b"\0")),
        u16(fields.get(Dest.TUN_PORT, b"\0\0")),
        u16(fields.get(Dest.TUN_FLAGS, b"\0\0")),
        u32(fields[Dest.U_THRESH]),
        u32(fields[Dest.L_THRESH]),
        u32(fields[Dest.ACTIVE_CONNS]),
        u32(fields[Dest.INACT_CONNS]),
        u32(fields[Dest.PERSIST_CONNS]),
        u16(fields[Dest.ADDR_FAMILY]) if Dest.ADDR_FAMILY in fields else family,
    )


_FORWARDING = {method.value: method for method in Forwarding}
_NO_TUNNEL = Tunnel()


def _destination(values: _Values) -> Destination:
    method = _FORWARDING.get(values.forwarding)
    if method is None:
        raise ValueError(f"forwarding method {values.forwarding}")
    return Destination(
        DestinationKey(_address(values.family, values.address), ntohs(values.port)),
        method,
        values.weight,
        values.upper_threshold,
        values.lower_threshold,
        _tunnel(values),
    )


def _tunnel(values: _Values) -> Tunnel:
    if not (values.tunnel_type or values.tunnel_port or values.tunnel_flags):
        return _NO_TUNNEL
    return Tunnel(
        TunnelType(values.tunnel_type),
        ntohs(values.tunnel_port),
        TunnelFlags(values.tunnel_flags),
    )


def _destination_counts(entry: bytes, family: Family) -> DestinationStatus:
    values = _fast_values(entry) or _values(entry, family)
    return DestinationStatus(
        _destination(values), values.active, values.inactive, values.persistent, _NO_STATS
    )


_NO_STATS = Stats()


def _destination_status(entry: bytes, family: Family) -> DestinationStatus:
    values = _fast_values(entry)
    if values is None:
        values = _values(entry, family)
        counters = attributes(attributes(entry)[Attr.DEST])
    else:
        counters = attributes(entry[_ENTRY.size :])
    return DestinationStatus(
        _destination(values),
        values.active,
        values.inactive,
        values.persistent,
        _stats(counters, Dest.STATS64, Dest.STATS),
    )


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
