"""What the kernel makes of the values in a command: refused with an errno (or 0), or kept, and how.

The rules of ip_vs_ctl.c and ip_vs_sync.c, each held to the kernel by the contract suite. For
the in-memory twin only.
"""

from __future__ import annotations

import errno
from collections.abc import Collection
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from lvsha.core.types import (
    Address,
    Destination,
    Family,
    Forwarding,
    FwmarkKey,
    Key,
    Protocol,
    Service,
    ServiceFlags,
    ServiceKey,
    SyncDaemon,
    SyncRole,
    Timeouts,
    TunnelType,
)

SCHEDULERS = frozenset(
    ("none", "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "dh", "sed", "nq", "mh", "fo", "ovf")
)
PERSISTENCE_ENGINES = frozenset({"", "sip"})

_NAME_LENGTH = 15  # IP_VS_SCHEDNAME_MAXLEN and IP_VS_IFNAME_MAXLEN without the NUL
_ENGINE_LENGTH = 16  # IP_VS_PENAME_MAXLEN: here the policy counts without the NUL
_LARGEST_WEIGHT = 0x7FFFFFFF
_LARGEST_TIMEOUT = 0x7FFFFFFF // 250
"""INT_MAX in ticks; 250 a second in Debian's kernels, others differ."""

_LIMITED_BROADCAST = IPv4Address("255.255.255.255")
_LOOPBACK_BROADCAST = IPv4Address("127.255.255.255")
"""The kernel knows the broadcast address of every network it has; every host has this one."""

_SYNC_GROUP = IPv4Address("224.0.0.81")
_SYNC_PORT = 8848
_BUCKETS = 256  # IP_VS_SVC_TAB_SIZE
_UDP_OVER = {Family.IPV4: 28, Family.IPV6: 48}
_LARGEST_PACKET = 0xFFFF


def names(service: Service) -> int:
    """Names that are too long fail the message's policy, whatever the table holds."""
    too_long = (
        len(service.scheduler.encode()) > _NAME_LENGTH
        or len(service.persistence_engine.encode()) > _ENGINE_LENGTH
    )
    return errno.EINVAL if too_long else 0


def service(service: Service, schedulers: Collection[str], engines: Collection[str]) -> int:
    """To a service that is to be added or set."""
    if service.scheduler not in schedulers or service.persistence_engine not in engines:
        return errno.ENOENT
    if service.key.family is Family.IPV6 and not 1 <= service.netmask <= 128:
        return errno.EINVAL
    return 0


def mixed(destination: Destination, family: Family, synchronising: bool) -> int:
    """To a destination of the other family: only through a tunnel, never synchronised."""
    if Family.of(destination.key.address) is family:
        return 0
    through_tunnel = destination.forwarding is Forwarding.TUN
    return 0 if through_tunnel and not synchronising else errno.EINVAL


def numbers(destination: Destination) -> int:
    """To weight, thresholds and tunnel of a destination that is to be added or set."""
    if destination.weight > _LARGEST_WEIGHT:
        return errno.ERANGE
    if destination.lower_threshold > destination.upper_threshold:
        return errno.ERANGE
    if destination.tunnel.type is TunnelType.GUE and not destination.tunnel.port:
        return errno.EINVAL
    return 0


def address(address: Address) -> int:
    """To the address of a new destination."""
    if isinstance(address, IPv6Address):
        refused = (
            address.is_multicast
            or address.is_link_local
            or address.is_unspecified
            or address.ipv4_mapped is not None
        )
    else:
        refused = (
            address.is_multicast
            or address.is_unspecified
            or address in (_LIMITED_BROADCAST, _LOOPBACK_BROADCAST)
        )
    return errno.EINVAL if refused else 0


def timeouts(timeouts: Timeouts) -> int:
    largest = max(timeouts.tcp, timeouts.tcp_fin, timeouts.udp)
    return errno.EINVAL if largest > _LARGEST_TIMEOUT else 0


def daemon(daemon: SyncDaemon, interfaces: Collection[str], mixed_destinations: bool) -> int:
    """To a synchronisation daemon that is to be started."""
    if len(daemon.interface.encode()) > _NAME_LENGTH:
        return errno.EINVAL
    if daemon.group is not None and not daemon.group.is_multicast:
        return errno.EINVAL
    if mixed_destinations:
        return errno.EINVAL
    return 0 if daemon.interface in interfaces else errno.ENODEV


def started(daemon: SyncDaemon, mtu: int) -> SyncDaemon:
    """The daemon as it runs: the kernel's defaults where it was told nothing."""
    group = daemon.group or _SYNC_GROUP
    headers = _UDP_OVER[Family.of(group)]
    backup = daemon.role is SyncRole.BACKUP
    packet = min(max(mtu, 1500), _LARGEST_PACKET) if backup else 1500
    wanted = max(daemon.max_length, 1024 if backup else 1)
    return SyncDaemon(
        role=daemon.role,
        interface=daemon.interface,
        sync_id=daemon.sync_id,
        max_length=min(wanted, _LARGEST_PACKET - headers)
        if daemon.max_length
        else packet - headers,
        group=group,
        port=daemon.port or _SYNC_PORT,
        ttl=daemon.ttl or 1,
    )


def identity(key: Key) -> Key:
    """To the kernel firewall mark 0 is none: it takes the rest of the key, all zeroes, instead."""
    if not isinstance(key, FwmarkKey) or key.mark:
        return key
    nowhere = IPv4Address(0) if key.family is Family.IPV4 else IPv6Address(0)
    return ServiceKey(Protocol.TCP, nowhere, 0)


def as_kept(service: Service) -> Service:
    """A service as the table holds it and tells it."""
    persistent = ServiceFlags.PERSISTENT in service.flags
    return replace(
        service,
        key=identity(service.key),
        timeout=service.timeout if persistent else 0,
    )


def place(key: Key) -> tuple[bool, int]:
    """Where the kernel hashes a service to (ip_vs_svc_hashkey, ip_vs_svc_fwm_hashkey)."""
    if isinstance(key, FwmarkKey):
        return True, key.mark % _BUCKETS
    folded = 0
    number = int(key.address)
    while number:
        folded ^= number & 0xFFFFFFFF
        number >>= 32
    return False, (key.protocol ^ folded ^ key.port >> 8 ^ key.port) % _BUCKETS
