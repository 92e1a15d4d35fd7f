"""Virtual routers: from the file's words to each node's plan, judged on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lvsha.config.document import KeyPath, Report
from lvsha.config.draft import Draft
from lvsha.config.following import follow, judge_following, judge_mac, judge_paths
from lvsha.config.mapping import rule, sound
from lvsha.config.per_node import judge_names
from lvsha.config.router_rules import (
    family_of,
    interface_of,
    judge_peers,
    judge_protocol,
    priority_of,
)
from lvsha.config.router_schema import VirtualRouter as RouterModel
from lvsha.config.schema import Node
from lvsha.core.plan import VirtualRouter
from lvsha.core.types import Address, Family, Network


@dataclass(frozen=True, slots=True)
class _Before:
    """What the routers judged so far have taken, on each node by name."""

    names: set[str] = field(default_factory=set)
    macs: dict[tuple[str, Family, int], str] = field(default_factory=dict)
    identities: dict[tuple[str, str, Family, int], str] = field(default_factory=dict)
    addresses: dict[tuple[str, str, Address], tuple[KeyPath, str]] = field(default_factory=dict)
    paths: set[tuple[str, Network, int]] = field(default_factory=set)


def build_routers(draft: Draft, report: Report) -> Mapping[str, tuple[VirtualRouter, ...]]:
    """The routers of the sound part of a file, for each node by name."""
    before = _Before()
    nodes = known_nodes(draft) or {}
    built: dict[str, list[VirtualRouter]] = {name: [] for name in nodes}
    for i, router in _routers(draft) or ():
        path: KeyPath = ("virtual_routers", i)
        _judge_name(path, router, before, report)
        _judge_family((*path, "addresses"), router, report)
        judge_protocol(path, router, report)
        judge_following(path, router, draft, report)
        judge_paths(path, router, before.paths, report)
        if nodes:
            _judge_nodes(path, router, nodes, report)
            judge_peers(path, router, nodes, report)
        for name, node in nodes.items():
            _judge_identity(path, router, name, node, before, report)
            _judge_carried(path, router, name, node, before, report)
            judge_mac(path, name, router, before.macs, report)
            plan = _plan(router, name, nodes)
            if plan is not None:
                built[name].append(plan)
    return {name: tuple(routers) for name, routers in built.items()}


@rule
def known_nodes(draft: Draft) -> Mapping[str, Node]:
    """The nodes by name; None where a mistake leaves them unknown."""
    return draft.file.nodes


@rule
def address_of(node: Node) -> Address:
    """A node's address; None where a mistake leaves it unknown."""
    return node.address


@rule
def _routers(draft: Draft) -> tuple[tuple[int, RouterModel], ...]:
    return tuple(sound(draft.file.virtual_routers))


def _judge_name(path: KeyPath, router: RouterModel, before: _Before, report: Report) -> None:
    if router.name in before.names:
        message = f"{router.name!r} is already the name of another router"
        report.wrong((*path, "name"), message)
    before.names.add(router.name)


@rule
def _judge_family(at: KeyPath, router: RouterModel, report: Report) -> None:
    if not router.addresses:
        report.wrong(at, "an empty list carries nothing")
        return
    family = family_of(router)
    (first_at, first), *others = sound(router.addresses)
    for i, address in others:
        if Family.of(address) is not family:
            hint = "give each family its own virtual router, or use excluded_addresses"
            report.wrong((*at, i), f"{address.ip} is not of the family of {first.ip}", hint)
    if family is Family.IPV6 and first_at == 0 and not first.is_link_local:
        hint = "put one of fe80::/10 first (RFC 9568 section 5.2.9)"
        report.wrong((*at, 0), f"{first.ip} is not a link-local address", hint)


def _judge_nodes(
    path: KeyPath, router: RouterModel, nodes: Mapping[str, Node], report: Report
) -> None:
    _judge_node_names(path, "interface", router, nodes, report)
    _judge_node_names(path, "priority", router, nodes, report)
    for name, node in nodes.items():
        _judge_interface(path, router, name, node, report)
    _judge_priorities(path, router, nodes, report)


@rule
def _judge_node_names(
    path: KeyPath, key: str, router: RouterModel, nodes: Mapping[str, Node], report: Report
) -> None:
    judge_names((*path, key), getattr(router, key), nodes, report)


@rule
def _judge_interface(
    path: KeyPath, router: RouterModel, name: str, node: Node, report: Report
) -> None:
    if interface_of(router, name, node) is None:
        hint = f"here, or in nodes.{name}"
        report.wrong(path, f"missing key 'interface' for node {name!r}", hint)


@rule
def _judge_priorities(
    path: KeyPath, router: RouterModel, nodes: Mapping[str, Node], report: Report
) -> None:
    holders: dict[int, str] = {}
    for name, node in nodes.items():
        priority = priority_of(router, name, node)
        first = holders.setdefault(priority, name)
        if first != name:
            hint = "a priority per node here, or one in each of nodes"
            message = f"{first} and {name} have the same priority {priority}"
            report.wrong((*path, "priority"), message, hint)


@rule
def _judge_identity(
    path: KeyPath, router: RouterModel, name: str, node: Node, before: _Before, report: Report
) -> None:
    interface = interface_of(router, name, node) or ""
    places = {interface: f"on {interface}"} if interface else {}
    if _is_unicast(router):  # such packets are told apart by nothing else
        places[""] = "to the same peers"
    for place, words in places.items():
        identity = (name, place, family_of(router), router.virtual_router_id)
        first = before.identities.setdefault(identity, router.name)
        if first != router.name:
            message = f"{router.virtual_router_id} is already router {first!r} {words}"
            report.wrong((*path, "virtual_router_id"), message)
            return


@rule
def _is_unicast(router: RouterModel) -> bool:
    return router.unicast


@rule
def _judge_carried(
    path: KeyPath, router: RouterModel, name: str, node: Node, before: _Before, report: Report
) -> None:
    for key in ("addresses", "excluded_addresses"):
        for i, address in sound(getattr(router, key)):
            at = (*path, key, i)
            # a link-local address is unique on its link only
            link = (interface_of(router, name, node) or "") if address.is_link_local else ""
            first, holder = before.addresses.setdefault((name, link, address.ip), (at, router.name))
            if first != at:
                report.wrong(at, f"{address.ip} is already carried by router {holder!r}")


@rule
def _plan(router: RouterModel, name: str, nodes: Mapping[str, Node]) -> VirtualRouter | None:
    node = nodes[name]
    interface = interface_of(router, name, node)
    if interface is None:
        return None
    others = tuple(node.address for other, node in nodes.items() if other != name)
    vr = VirtualRouter(
        router.name,
        router.virtual_router_id,
        interface,
        family_of(router),
        priority_of(router, name, node),
        tuple(router.addresses),
        tuple(router.excluded_addresses),
        router.version,
        router.advertisement_interval,
        router.checksum == "with_pseudo_header",
        router.preempt,
        node.address if router.unicast else None,
        others if router.unicast else (),
        router.accept_ttl,
        router.authentication.resolved() if router.authentication else None,
        router.preempt_delay,
        router.startup_delay,
        others,
    )
    return follow(vr, router)
