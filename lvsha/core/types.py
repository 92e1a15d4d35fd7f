"""The words of the field, as values: what the operator wrote and what the kernel holds.

Laws of this file: frozen values only, no behaviour beyond saying their own name.
*VirtualService* and *RealServer* are what the operator wrote; *Service* and *Destination*
are what the kernel holds. Counters live apart (`ServiceStatus`, `DestinationStatus`), so
that statistics never make two entries differ. Times are seconds.
Enum values are the kernel's (include/uapi/linux/ip_vs.h) or the wire's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum, IntFlag
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
)
from typing import TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
InterfaceAddress: TypeAlias = IPv4Interface | IPv6Interface
"""An address with its prefix length, as it stands on an interface."""
Network: TypeAlias = IPv4Network | IPv6Network


class Family(IntEnum):
    """Address families by their AF_ number on Linux."""

    IPV4 = 2
    IPV6 = 10

    @classmethod
    def of(cls, address: Address | InterfaceAddress | Network) -> Family:
        return cls.IPV4 if address.version == 4 else cls.IPV6

    @property
    def bits(self) -> int:
        """Length of an address: 32 or 128."""
        return 32 if self is Family.IPV4 else 128


class Protocol(IntEnum):
    """Transport protocols IPVS balances, by IP protocol number."""

    TCP = 6
    UDP = 17
    SCTP = 132


class Forwarding(IntEnum):
    """How a packet reaches its destination (IP_VS_CONN_F_FWD_MASK)."""

    NAT = 0
    LOCAL = 1
    TUN = 2
    DR = 3
    BYPASS = 4


class ServiceFlags(IntFlag):
    """IP_VS_SVC_F_*. HASHED (2) is the kernel's own mark and never part of a value here."""

    NONE = 0
    PERSISTENT = 0x0001
    ONE_PACKET = 0x0004
    SCHED1 = 0x0008  # sh-fallback, mh-fallback
    SCHED2 = 0x0010  # sh-port, mh-port
    SCHED3 = 0x0020


class TunnelType(IntEnum):
    """IP_VS_CONN_F_TUNNEL_TYPE_*."""

    IPIP = 0
    GUE = 1
    GRE = 2


class TunnelFlags(IntFlag):
    """IP_VS_TUNNEL_ENCAP_FLAG_*: how the encapsulation is checksummed."""

    NOCSUM = 0
    CSUM = 1
    REMCSUM = 2


@dataclass(frozen=True, slots=True)
class Tunnel:
    """Encapsulation of a TUN destination. `port` is GUE's UDP port, 0 otherwise."""

    type: TunnelType = TunnelType.IPIP
    port: int = 0
    flags: TunnelFlags = TunnelFlags.NOCSUM


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """Identity of a virtual service by protocol, address and port."""

    protocol: Protocol
    address: Address
    port: int

    def __hash__(self) -> int:
        """As of a destination's key."""
        return int(self.address) << 24 | self.port << 8 | self.protocol

    @property
    def family(self) -> Family:
        return Family.of(self.address)

    def __str__(self) -> str:
        return f"{self.protocol.name} {endpoint(self.address, self.port)}"


@dataclass(frozen=True, slots=True)
class FwmarkKey:
    """Identity of a virtual service by firewall mark."""

    family: Family
    mark: int

    def __str__(self) -> str:
        return f"FWM {self.mark}" + (" IPv6" if self.family is Family.IPV6 else "")


Key: TypeAlias = ServiceKey | FwmarkKey


@dataclass(frozen=True, slots=True)
class DestinationKey:
    """Identity of a destination inside its service."""

    address: Address
    port: int

    def __hash__(self) -> int:
        """Tables are looked up by it all day, and an address's own is slow: by way of its text."""
        return int(self.address) << 16 | self.port

    def __str__(self) -> str:
        return endpoint(self.address, self.port)


@dataclass(frozen=True, slots=True)
class Service:
    """A virtual service as the kernel holds it.

    `timeout` is the persistence time in seconds (meaningful with PERSISTENT), `netmask` the
    prefix length clients are grouped by (32 or 128: each for itself). An IPv4 mask with holes,
    which no length says, stands as minus its number.
    """

    key: Key
    scheduler: str = "wlc"
    flags: ServiceFlags = ServiceFlags.NONE
    timeout: int = 0
    netmask: int = 32
    persistence_engine: str = ""


@dataclass(frozen=True, slots=True)
class Destination:
    """A destination as the kernel holds it. Weight 0: no new connections."""

    key: DestinationKey
    forwarding: Forwarding = Forwarding.DR
    weight: int = 1
    upper_threshold: int = 0
    lower_threshold: int = 0
    tunnel: Tunnel = field(default=Tunnel())


@dataclass(frozen=True, slots=True)
class ServiceEntry:
    """A service with its destinations by key."""

    service: Service
    destinations: Mapping[DestinationKey, Destination]


IpvsTable: TypeAlias = Mapping[Key, ServiceEntry]


@dataclass(frozen=True, slots=True)
class Stats:
    """IP_VS_STATS_ATTR_*: totals since the last zeroing, then current rates per second."""

    connections: int = 0
    in_packets: int = 0
    out_packets: int = 0
    in_bytes: int = 0
    out_bytes: int = 0
    cps: int = 0
    in_pps: int = 0
    out_pps: int = 0
    in_bps: int = 0
    out_bps: int = 0


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """A service with its counters."""

    service: Service
    stats: Stats = field(default=Stats())


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """A destination with its connection counts and counters."""

    destination: Destination
    active_connections: int = 0
    inactive_connections: int = 0
    persistent_connections: int = 0
    stats: Stats = field(default=Stats())


@dataclass(frozen=True, slots=True)
class IpvsInfo:
    """IPVS version (major, minor, patch) and connection table size."""

    version: tuple[int, int, int]
    connection_table_size: int


@dataclass(frozen=True, slots=True)
class Timeouts:
    """IPVS connection timeouts in seconds; 0 in a command leaves that one untouched."""

    tcp: int = 0
    tcp_fin: int = 0
    udp: int = 0


class SyncRole(IntEnum):
    """IP_VS_STATE_*: the side of connection synchronisation a daemon plays."""

    MASTER = 1
    BACKUP = 2


@dataclass(frozen=True, slots=True)
class SyncDaemon:
    """A connection synchronisation daemon. 0, "" and None leave the kernel's default."""

    role: SyncRole
    interface: str = ""
    sync_id: int = 0
    max_length: int = 0
    group: Address | None = None
    port: int = 0
    ttl: int = 0


class OnFailure(Enum):
    """What becomes of a failed server's destination."""

    REMOVE = "remove"
    QUIESCE = "quiesce"


def endpoint(address: Address, port: int) -> str:
    """`192.0.2.1:80` or `[2001:db8::1]:80`: how a server is written everywhere."""
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"
