"""Virtual routers: from the file's words to each node's plan, judged on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lvsha.config.document import KeyPath, Report
from lvsha.config.draft import Draft
from lvsha.config.following import follow, judge_following, judge_mac
from lvsha.config.mapping import sound
from lvsha.config.router_rules import judge_peers, judge_protocol
from lvsha.config.router_schema import EVERY_NODE
from lvsha.config.router_schema import VirtualRouter as RouterModel
from lvsha.config.schema import Node
from lvsha.core.plan import VirtualRouter
from lvsha.core.types import Address, Family


@dataclass(frozen=True, slots=True)
class _Before:
    """What the routers judged so far have taken, on each node by name."""

    names: set[str] = field(default_factory=set)
    macs: dict[tuple[str, Family, int], str] = field(default_factory=dict)
    identities: dict[tuple[str, str, Family, int], str] = field(default_factory=dict)
    addresses: dict[tuple[str, str, Address], tuple[KeyPath, str]] = field(default_factory=dict)


def build_routers(draft: Draft, report: Report) -> Mapping[str, tuple[VirtualRouter, ...]]:
    """The routers of the sound part of a file, for each node by name."""
    before = _Before()
    nodes = {} if "nodes" in draft.unsure else draft.file.nodes
    built: dict[str, list[VirtualRouter]] = {name: [] for name in nodes}
    for i, router in sound(draft.file.virtual_routers):
        path: KeyPath = ("virtual_routers", i)
        _judge_alone(path, router, report)
        _judge_name(path, router, before, report)
        family = _family(router)
        if family is None:
            continue
        judge_following(path, router, draft, report)
        if nodes:
            _judge_nodes(path, router, nodes, report)
            judge_peers(path, router, family, nodes, report)
        for name, on_node in _on_nodes(router, family, nodes):
            _judge_identity(path, name, on_node, before, report)
            _judge_addresses(path, name, on_node, before, report)
            built[name].append(follow(on_node, router))
            judge_mac(path, name, built[name][-1], before.macs, report)
    return {name: tuple(routers) for name, routers in built.items()}


def _judge_alone(path: KeyPath, router: RouterModel, report: Report) -> None:
    at = (*path, "addresses")
    if not router.addresses:
        report.wrong(at, "an empty list carries nothing")
        return
    first = router.addresses[0]
    family = Family.of(first)
    for i, address in enumerate(router.addresses):
        if Family.of(address) is not family:
            hint = "give each family its own virtual router, or use excluded_addresses"
            report.wrong((*at, i), f"{address.ip} is not of the family of {first.ip}", hint)
    if family is Family.IPV6 and not first.is_link_local:
        hint = "put one of fe80::/10 first (RFC 9568 section 5.2.9)"
        report.wrong((*at, 0), f"{first.ip} is not a link-local address", hint)
    judge_protocol(path, router, family, report)


def _judge_name(path: KeyPath, router: RouterModel, before: _Before, report: Report) -> None:
    if router.name in before.names:
        message = f"{router.name!r} is already the name of another router"
        report.wrong((*path, "name"), message)
    before.names.add(router.name)


def _judge_nodes(
    path: KeyPath, router: RouterModel, nodes: Mapping[str, Node], report: Report
) -> None:
    for key, per_node in (("interface", router.interface), ("priority", router.priority)):
        for name in per_node:
            if name not in nodes and name != EVERY_NODE:
                message = f"{name!r} is not a node; those are {', '.join(nodes)}"
                report.wrong((*path, key, name), message)
    for name, node in nodes.items():
        if _interface(router, name, node) is None:
            hint = f"here, or in nodes.{name}"
            report.wrong(path, f"missing key 'interface' for node {name!r}", hint)
    holders: dict[int, str] = {}
    for name, node in nodes.items():
        priority = _priority(router, name, node)
        first = holders.setdefault(priority, name)
        if first != name:
            hint = "a priority per node here, or one in each of nodes"
            message = f"{first} and {name} have the same priority {priority}"
            report.wrong((*path, "priority"), message, hint)


def _judge_identity(
    path: KeyPath, node: str, router: VirtualRouter, before: _Before, report: Report
) -> None:
    places = {router.interface: f"on {router.interface}"}
    if router.peers:  # such packets are told apart by nothing else
        places[""] = "to the same peers"
    for place, words in places.items():
        identity = (node, place, router.family, router.virtual_router_id)
        first = before.identities.setdefault(identity, router.name)
        if first != router.name:
            message = f"{router.virtual_router_id} is already router {first!r} {words}"
            report.wrong((*path, "virtual_router_id"), message)
            return


def _judge_addresses(
    path: KeyPath, node: str, router: VirtualRouter, before: _Before, report: Report
) -> None:
    for key, addresses in (
        ("addresses", router.addresses),
        ("excluded_addresses", router.excluded_addresses),
    ):
        for i, address in enumerate(addresses):
            at = (*path, key, i)
            # a link-local address is unique on its link only
            link = router.interface if address.is_link_local else ""
            first, name = before.addresses.setdefault((node, link, address.ip), (at, router.name))
            if first != at:
                report.wrong(at, f"{address.ip} is already carried by router {name!r}")


def _on_nodes(
    router: RouterModel, family: Family, nodes: Mapping[str, Node]
) -> Iterator[tuple[str, VirtualRouter]]:
    for name, node in nodes.items():
        interface = _interface(router, name, node)
        if interface is not None:
            yield (
                name,
                VirtualRouter(
                    router.name,
                    router.virtual_router_id,
                    interface,
                    family,
                    _priority(router, name, node),
                    tuple(router.addresses),
                    tuple(router.excluded_addresses),
                    router.version,
                    router.advertisement_interval,
                    router.checksum == "with_pseudo_header",
                    router.preempt,
                    node.address if router.unicast else None,
                    _others(name, nodes) if router.unicast else (),
                    router.accept_ttl,
                    router.authentication.resolved() if router.authentication else None,
                    router.preempt_delay,
                    router.startup_delay,
                    _others(name, nodes),
                ),
            )


def _others(name: str, nodes: Mapping[str, Node]) -> tuple[Address, ...]:
    return tuple(node.address for other, node in nodes.items() if other != name)


def _family(router: RouterModel) -> Family | None:
    return Family.of(router.addresses[0]) if router.addresses else None


def _interface(router: RouterModel, name: str, node: Node) -> str | None:
    return router.interface.get(name) or router.interface.get(EVERY_NODE) or node.interface


def _priority(router: RouterModel, name: str, node: Node) -> int:
    return router.priority.get(name, node.priority)
