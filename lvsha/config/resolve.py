"""A cluster file, judged and understood; and what it asks of one machine."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lvsha.config.document import Document, Report
from lvsha.config.draft import Draft, judge
from lvsha.config.following import build_groups
from lvsha.config.mapping import rule
from lvsha.config.per_node import is_per_node
from lvsha.config.reader import read
from lvsha.config.routers import build_routers, known_nodes
from lvsha.config.schema import ClusterFile, Node
from lvsha.config.services import build_services
from lvsha.config.through_vip import judge_interfaces
from lvsha.core.plan import (
    DirectorPlan,
    LoopbackAddress,
    RealServerPlan,
    SyncGroup,
    VirtualRouter,
    VirtualService,
    VrrpPlan,
)
from lvsha.core.through import Here, accept_local, laid, settings
from lvsha.core.types import Address, Family, Forwarding, FwmarkKey, Timeouts
from lvsha.errors import UsageError


@dataclass(frozen=True, slots=True)
class Cluster:
    """A file without mistakes. `file` is the name it was read under.

    `nodes` are the directors' addresses, `interfaces` where the file says they are, and `routers`
    their virtual routers, by node name. `services` are the first node's and `services_of` each
    node's: only how its probes leave can differ.
    """

    file: str
    name: str
    nodes: Mapping[str, Address]
    routers: Mapping[str, tuple[VirtualRouter, ...]]
    services: tuple[VirtualService, ...]
    services_of: Mapping[str, tuple[VirtualService, ...]]
    resync_interval: float
    timeouts: Timeouts | None = None
    sysctls: Mapping[str, str] = field(default_factory=dict)
    api: tuple[str, int] | None = None
    sync_groups: tuple[SyncGroup, ...] = ()
    interfaces: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NodePlans:
    """What one director's two processes are asked to be."""

    vrrp: VrrpPlan
    director: DirectorPlan


def load(path: str | Path) -> Cluster:
    """The cluster a file describes.

    ConfigError: all its mistakes. UsageError: no such file. HostError: it can't be read.
    """
    return understand(read(path))


def understand(document: Document) -> Cluster:
    """The cluster a document describes. ConfigError: all its mistakes."""
    report = Report(document)
    draft = judge(document, report)
    if draft is None:
        report.settle()
    assert draft is not None
    _judge_nodes(draft, report)
    routers = build_routers(draft, report)
    groups = build_groups(draft, report)
    services = _services(draft, document, report)
    judge_interfaces(draft, services, report)
    report.settle()
    return _cluster(document.name, draft.file, routers, groups, services)


def _services(
    draft: Draft, document: Document, report: Report
) -> Mapping[str, tuple[VirtualService, ...]]:
    """Each node's services; the same object where the file makes no difference between them."""
    nodes = list(known_nodes(draft) or [""])
    if is_per_node(document.data, ("source", "device")):
        return {node: build_services(draft, node, report) for node in nodes}
    return dict.fromkeys(nodes, build_services(draft, nodes[0], report))


@rule
def _judge_nodes(draft: Draft, report: Report) -> None:
    if not draft.file.nodes:
        report.wrong(("nodes",), "no node is named")
    holders: dict[Address, str] = {}
    for name, node in draft.file.nodes.items():
        _judge_node(name, node, holders, report)


@rule
def _judge_node(name: str, node: Node, holders: dict[Address, str], report: Report) -> None:
    first = holders.setdefault(node.address, name)
    if first != name:
        message = f"{node.address} is already the address of node {first!r}"
        report.wrong(("nodes", name, "address"), message)


def _cluster(
    name: str,
    file: ClusterFile,
    routers: Mapping[str, tuple[VirtualRouter, ...]],
    groups: tuple[SyncGroup, ...],
    services: Mapping[str, tuple[VirtualService, ...]],
) -> Cluster:
    given = file.timeouts
    return Cluster(
        file=name,
        name=file.cluster,
        nodes={name: node.address for name, node in file.nodes.items()},
        routers=routers,
        sync_groups=groups,
        services=next(iter(services.values())),
        services_of=services,
        resync_interval=file.resync_interval,
        timeouts=Timeouts(given.tcp or 0, given.tcp_fin or 0, given.udp or 0) if given else None,
        sysctls={f"net.ipv4.vs.{key}": value for key, value in file.sysctls.items()},
        api=file.api.listen if file.api else None,
        interfaces={name: node.interface for name, node in file.nodes.items() if node.interface},
    )


def own_name(cluster: Cluster, asked: str | None = None) -> str:
    """The node this machine is: the one asked for, or the one named like the short hostname.

    UsageError: the file has no such node.
    """
    name = asked or short_hostname()
    if name in cluster.nodes:
        return name
    how = "" if asked else " (this machine's hostname; --node names another)"
    known = ", ".join(cluster.nodes)
    raise UsageError(f"{cluster.file}: no node {name!r}{how}; the file has {known}")


def short_hostname() -> str:
    return socket.gethostname().partition(".")[0]


def resolve(cluster: Cluster, node: str | None = None) -> NodePlans:
    """What the file asks of a node; None is this machine. UsageError: it has no such node."""
    name = own_name(cluster, node)
    here = _here(cluster, name)
    services = laid(cluster.services_of[name], here)
    director = DirectorPlan(
        cluster.name,
        name,
        services,
        cluster.resync_interval,
        cluster.timeouts,
        {**cluster.sysctls, **settings(services), **_owners_heard(cluster.routers[name])},
        cluster.api,
    )
    vrrp = VrrpPlan(cluster.name, name, cluster.routers[name], cluster.sync_groups)
    return NodePlans(vrrp, director)


def _owners_heard(routers: Iterable[VirtualRouter]) -> dict[str, str]:
    """The kernel settings without which a master is deaf to the owner of the address it has.

    What comes from an address of its own is a martian, unless said otherwise. IPv6 has no such
    check, and there the source is another address.
    """
    interfaces = {
        vr.interface
        for vr in routers
        for address in vr.addresses
        if address.version == 4 and address.ip in vr.neighbours
    }
    return accept_local(interfaces)


def _here(cluster: Cluster, node: str) -> Here:
    links = {
        address.ip: router.interface
        for router in cluster.routers[node]
        for address in router.all_addresses
    }
    return Here(cluster.nodes[node], cluster.interfaces.get(node, ""), links)


def resolve_all(cluster: Cluster) -> tuple[NodePlans, ...]:
    """What the file asks of every node, in its order."""
    return tuple(resolve(cluster, name) for name in cluster.nodes)


def resolve_real_server(
    cluster: Cluster, address: Address | None, own_addresses: Collection[Address]
) -> RealServerPlan:
    """What the file asks of the real server at `address`.

    None: of those of this machine's `own_addresses` that a service lists; a machine may serve
    both families. UsageError: no service lists it, or any of them.
    """
    listed = {
        server.address
        for service in cluster.services
        for server in service.servers
        if server.forwarding is not Forwarding.LOCAL  # a director's own backup
    }
    candidates = [address] if address else own_addresses
    chosen = listed.intersection(candidates)
    if not chosen:
        who = f"{address} is not" if address else "no address of this machine is"
        raise UsageError(f"{cluster.file}: {who} a real server of any service")
    return RealServerPlan(cluster.name, tuple(dict.fromkeys(_loopback(cluster, chosen))))


def _loopback(cluster: Cluster, own: Collection[Address]) -> Iterator[LoopbackAddress]:
    """With nat the packets arrive addressed to the server itself: nothing to carry."""
    for service in cluster.services:
        for server in service.servers:
            if server.address in own and server.forwarding is not Forwarding.NAT:
                for virtual in _virtual_addresses(cluster, service):
                    yield LoopbackAddress(virtual, server.forwarding, server.address, server.tunnel)


def _virtual_addresses(cluster: Cluster, service: VirtualService) -> Iterator[Address]:
    """A fwmark service may serve any address of its family that the routers carry."""
    if not isinstance(service.key, FwmarkKey):
        yield service.key.address
        return
    for router in next(iter(cluster.routers.values()), ()):
        for address in router.all_addresses:
            if Family.of(address) is service.key.family and not address.is_link_local:
                yield address.ip
