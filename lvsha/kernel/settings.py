"""What IPVS tells of itself beside its table: version, timeouts, synchronisation daemons.

Raises nothing but KernelError(EBADMSG), whatever arrives.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

from lvsha.core.types import Address, IpvsInfo, SyncDaemon, SyncRole, Timeouts
from lvsha.kernel.netlink import U32, Fields, attributes, read_text, reading, u8, u16, u32
from lvsha.kernel.nla import Attr, Daemon, Info

_ZERO = U32.pack(0)


@reading
def info(entry: bytes) -> IpvsInfo:
    fields = attributes(entry)
    version = u32(fields[Info.VERSION])
    return IpvsInfo(
        (version >> 16 & 0xFF, version >> 8 & 0xFF, version & 0xFF),
        u32(fields[Info.CONN_TAB_SIZE]),
    )


@reading
def timeouts(entry: bytes) -> Timeouts:
    """0 for a protocol the kernel was built without."""
    fields = attributes(entry)
    return Timeouts(
        u32(fields.get(Attr.TIMEOUT_TCP, _ZERO)),
        u32(fields.get(Attr.TIMEOUT_TCP_FIN, _ZERO)),
        u32(fields.get(Attr.TIMEOUT_UDP, _ZERO)),
    )


@reading
def daemons(entries: Iterable[bytes]) -> tuple[SyncDaemon, ...]:
    return tuple(_daemon(attributes(attributes(entry)[Attr.DAEMON])) for entry in entries)


def _daemon(fields: Fields) -> SyncDaemon:
    return SyncDaemon(
        SyncRole(u32(fields[Daemon.STATE])),
        read_text(fields[Daemon.MCAST_IFN]),
        u32(fields[Daemon.SYNC_ID]),
        u16(fields.get(Daemon.SYNC_MAXLEN, b"\0\0")),
        _group(fields),
        u16(fields.get(Daemon.MCAST_PORT, b"\0\0")),
        u8(fields.get(Daemon.MCAST_TTL, b"\0")),
    )


def _group(fields: Fields) -> Address | None:
    if Daemon.MCAST_GROUP6 in fields:
        return IPv6Address(fields[Daemon.MCAST_GROUP6])
    if Daemon.MCAST_GROUP in fields:
        return IPv4Address(fields[Daemon.MCAST_GROUP])
    return None
