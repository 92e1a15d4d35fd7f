"""What one machine is asked to be: the cluster file resolved for a node, frozen.

Everything is settled here: defaults inherited, names looked up, addresses parsed. The processes
that receive a plan need neither the file nor its schema. Times are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cached_property
from itertools import chain
from typing import TypeAlias

from lvsha.core.authentication import Authentication
from lvsha.core.detour import Origin
from lvsha.core.frames import Garp
from lvsha.core.moving import Hook, VirtualRoute, VirtualRule
from lvsha.core.probes import Probe
from lvsha.core.tracking import Track, TrackedService
from lvsha.core.types import (
    Address,
    DestinationKey,
    Family,
    Forwarding,
    FwmarkKey,
    InterfaceAddress,
    Key,
    OnFailure,
    Service,
    Timeouts,
    Tunnel,
    endpoint,
)


@dataclass(frozen=True, slots=True)
class Check:
    """One probe of one target at one pace. Equal checks are one check: services share it.

    `interval` and `timeout` in seconds; `rise` and `fall` are results in a row. The intervals
    while the target is down, and while results contradict what is believed, are None where they
    are the same. `jitter` is percent of the interval by which a start may be early or late.
    """

    probe: Probe
    address: Address
    port: int
    interval: float = 2.0
    timeout: float = 1.0
    rise: int = 2
    fall: int = 3
    interval_down: float | None = None
    interval_transition: float | None = None
    jitter: int = 0
    origin: Origin | None = None


class Required(Enum):
    """Which of several checks must pass."""

    ALL = "all"
    ANY = "any"


@dataclass(frozen=True)
class RealServer:
    """A real server of one service. No `checks`: always up.

    Without slots, so that its key is made once: every table is looked up by it.
    """

    address: Address
    port: int
    forwarding: Forwarding
    weight: int = 1
    upper_threshold: int = 0
    lower_threshold: int = 0
    tunnel: Tunnel = field(default=Tunnel())
    checks: tuple[Check, ...] = ()
    required: Required = Required.ALL

    @cached_property
    def key(self) -> DestinationKey:
        return DestinationKey(self.address, self.port)

    def __str__(self) -> str:
        return endpoint(self.address, self.port)


class Initial(Enum):
    """How a server counts until its first verdict. KERNEL: as it is found there, else down."""

    KERNEL = "kernel"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Damping:
    """So many changes between up and down in `window` hold a server down for `hold`; seconds."""

    transitions: int = 4
    window: float = 60.0
    hold: float = 120.0


@dataclass(frozen=True, slots=True)
class VirtualService:
    """A virtual service as the operator wrote it; `service` is its kernel form.

    `quorum` and `hysteresis` are sums of weights, `slow_start` and `drain_timeout` seconds,
    `panic_threshold` percent (0: off). `backups` are tiers, the nearest first. `router` is the
    virtual router on whose master alone the service is in the table; None: on every node.
    """

    name: str
    service: Service
    real_servers: tuple[RealServer, ...]
    on_failure: OnFailure = OnFailure.REMOVE
    quorum: int = 1
    hysteresis: int = 0
    backups: tuple[tuple[RealServer, ...], ...] = ()
    initial: Initial = Initial.KERNEL
    slow_start: float = 0.0
    drain_timeout: float = 60.0
    panic_threshold: int = 0
    damping: Damping | None = None
    router: str | None = None

    @property
    def key(self) -> Key:
        return self.service.key

    @property
    def tiers(self) -> tuple[tuple[RealServer, ...], ...]:
        """The real servers, then each tier of backups."""
        return (self.real_servers, *self.backups)

    @property
    def servers(self) -> tuple[RealServer, ...]:
        """Those of all tiers."""
        return tuple(chain(*self.tiers)) if self.backups else self.real_servers

    @property
    def keeps_places(self) -> bool:
        """`mh` gives each destination places in a table that moves with every deletion.

        So none is taken out: one that must not serve stays with weight 0 (ip_vs_mh.c).
        """
        return self.service.scheduler == "mh"

    @property
    def family(self) -> Family:
        key = self.key
        return key.family if isinstance(key, FwmarkKey) else Family.of(key.address)


@dataclass(frozen=True, slots=True)
class VirtualRouter:
    """One VRRP virtual router on this node (RFC 9568 §6.1 parameters).

    `advertisement_interval` in seconds. `addresses` are advertised, in file order;
    `excluded_addresses` move along unadvertised and may be of the other family.
    `source` None: the interface's first address of the family (IPv6: its link-local one).
    `peers`, where there are any, get the advertisements instead of the multicast group; what they
    send is taken at `accept_ttl` or more. `preempt_delay` and `startup_delay` are seconds.
    `neighbours` are addresses of the other nodes.
    """

    name: str
    virtual_router_id: int
    interface: str
    family: Family
    priority: int
    addresses: tuple[InterfaceAddress, ...]
    excluded_addresses: tuple[InterfaceAddress, ...] = ()
    version: int = 3
    advertisement_interval: float = 1.0
    pseudo_header_checksum: bool = True
    preempt: bool = True
    source: Address | None = None
    peers: tuple[Address, ...] = ()
    accept_ttl: int = 255
    authentication: Authentication | None = None
    preempt_delay: float = 0.0
    startup_delay: float = 0.0
    neighbours: tuple[Address, ...] = ()
    tracks: tuple[Track, ...] = ()
    garp: Garp = field(default=Garp())
    hook: Hook | None = None
    virtual_mac: bool = False
    routes: tuple[VirtualRoute, ...] = ()
    rules: tuple[VirtualRule, ...] = ()

    @property
    def all_addresses(self) -> tuple[InterfaceAddress, ...]:
        """Everything the master has: advertised addresses first."""
        return self.addresses + self.excluded_addresses


@dataclass(frozen=True, slots=True)
class SyncGroup:
    """Routers, by name, that are all master on a node or none of them is."""

    name: str
    routers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VrrpPlan:
    cluster: str
    node: str
    routers: tuple[VirtualRouter, ...]
    sync_groups: tuple[SyncGroup, ...] = ()

    @property
    def tracked_services(self) -> frozenset[str]:
        """Names of the virtual services whose health counts in an election."""
        return frozenset(
            track.target.name
            for router in self.routers
            for track in router.tracks
            if isinstance(track.target, TrackedService)
        )

    def without_secrets(self) -> VrrpPlan:
        """The same to be shown: without passwords and keys."""
        return replace(self, routers=tuple(map(_without_secrets, self.routers)))


def _without_secrets(vr: VirtualRouter) -> VirtualRouter:
    return replace(vr, authentication=vr.authentication and vr.authentication.hidden())


@dataclass(frozen=True, slots=True)
class DirectorPlan:
    """What this director balances.

    `sysctls` are full paths below /proc/sys with dots (`net.ipv4.vs.expire_nodest_conn`) and the
    text to write. `api` is (host, port) of the read-only TCP listener.
    """

    cluster: str
    node: str
    services: tuple[VirtualService, ...]
    resync_interval: float = 5.0
    timeouts: Timeouts | None = None
    sysctls: Mapping[str, str] = field(default_factory=dict)
    api: tuple[str, int] | None = None

    @property
    def nat_families(self) -> frozenset[Family]:
        """Families for which this director must forward packets."""
        return frozenset(
            Family.of(server.address)
            for service in self.services
            for server in service.servers
            if server.forwarding is Forwarding.NAT
        )


@dataclass(frozen=True, slots=True)
class LoopbackAddress:
    """A VIP this machine serves as a real server, and how packets for it arrive at `server`."""

    address: Address
    forwarding: Forwarding
    server: Address
    tunnel: Tunnel = field(default=Tunnel())


@dataclass(frozen=True, slots=True)
class RealServerPlan:
    """What this machine is asked to be as a real server: the VIPs it answers for."""

    cluster: str
    virtual_addresses: tuple[LoopbackAddress, ...]


Plan: TypeAlias = VrrpPlan | DirectorPlan
