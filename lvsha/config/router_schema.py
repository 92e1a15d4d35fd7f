"""Virtual routers as the file has them."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, PlainValidator, WithJsonSchema, WrapValidator

from lvsha.config.authentication_schema import Authentication
from lvsha.config.following_schema import Garp, Hooks, Route, Rule, TrackItem
from lvsha.config.mapping import Strict, keep_cut
from lvsha.config.per_node import InterfacePerNode
from lvsha.config.scalars import (
    Duration,
    Flag,
    IpInterface,
    Name,
    Priority,
    UpToADay,
    VirtualRouterId,
    whole,
)


class VirtualRouter(Strict):
    """One VRRP virtual router: addresses that are on one node at a time."""

    name: Name
    """Its name in status, logs and metrics."""
    virtual_router_id: VirtualRouterId
    """1 to 255, unique per interface and address family."""
    interface: InterfacePerNode = {}
    """One interface, or one per node; default the node's."""
    priority: dict[str, Priority] = {}
    """Priority per node; default the node's. They differ between nodes."""
    version: Literal[2, 3] = 3
    """VRRP version; 2 is IPv4 only."""
    advertisement_interval: Duration = 1.0
    """Version 3: 10ms to 40.95s in steps of 10ms; version 2: 1s to 255s in whole seconds."""
    checksum: Literal["with_pseudo_header", "without"] = "with_pseudo_header"
    """Of version 3 over IPv4: keepalived's default, or RFC 9568's. Both are accepted."""
    preempt: Flag = True
    """Take over from a master of lower priority."""
    preempt_delay: UpToADay = 0.0
    """How long such a master is left alone after it was first heard."""
    startup_delay: UpToADay = 0.0
    """How long the node only listens after its start."""
    unicast: Flag = False
    """Send to the other nodes' addresses instead of the multicast group."""
    accept_ttl: Annotated[
        int,
        PlainValidator(whole(1, 255)),
        WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 255}),
    ] = 255
    """Of unicast through routers: the lowest TTL or hop limit taken."""
    authentication: Authentication | None = None
    """What makes an advertisement believed; default nothing."""
    addresses: list[Annotated[IpInterface, WrapValidator(keep_cut)]]
    """Advertised addresses of one family; of IPv6 a link-local one first."""
    excluded_addresses: list[Annotated[IpInterface, WrapValidator(keep_cut)]] = []
    """Addresses that move along but are not advertised; any family."""
    virtual_mac: Flag = False
    """Have the addresses on an interface of their own with the router's MAC address."""
    garp: Garp = Field(default_factory=Garp)
    """How a master announces its addresses."""
    track: list[Annotated[TrackItem, WrapValidator(keep_cut)]] = []
    """What else counts in the election. In a sync group it counts for all its routers."""
    routes: list[Annotated[Route, WrapValidator(keep_cut)]] = []
    """Routes the master has."""
    rules: list[Rule] = []
    """Routing rules the master has."""
    hooks: Hooks = Field(default_factory=Hooks)
    """Programs told of changes."""


RouterItem: TypeAlias = Annotated[VirtualRouter, WrapValidator(keep_cut)]
