"""Rules between the values of one virtual router: what its protocol can say, and to whom."""

from __future__ import annotations

from collections.abc import Mapping

from lvsha.config.authentication_schema import HmacAuthentication, PasswordAuthentication
from lvsha.config.document import KeyPath, Report
from lvsha.config.mapping import Unsound, rule, sound
from lvsha.config.per_node import of_node
from lvsha.config.router_schema import VirtualRouter
from lvsha.config.scalars import show_seconds
from lvsha.config.schema import Node
from lvsha.core.types import Family

_V3_STEP = 0.01
"""RFC 9568 §5.2.7: Max Advertise Interval counts hundredths of a second, in 12 bits."""
_V3_LONGEST = 40.95
_V2_LONGEST = 255

_MOST_ADDRESSES = 255
"""RFC 9568 §5.2.5: their count is one byte."""
_MOST_IPV6, _MOST_IPV6_SIGNED = 90, 89
"""What a packet of 1500 bytes carries."""


def family_of(router: VirtualRouter) -> Family:
    """The family of its addresses. Raises Unsound where that is not known."""
    for _, address in sound(router.addresses):
        return Family.of(address)
    raise Unsound


def interface_of(router: VirtualRouter, name: str, node: Node) -> str | None:
    """Where it lives on a node. Raises Unsound where that is not known."""
    return of_node(router.interface, name) or node.interface


def priority_of(router: VirtualRouter, name: str, node: Node) -> int:
    """Its priority on a node. Raises Unsound where that is not known."""
    own = router.priority.get(name)
    return node.priority if own is None else own


def judge_protocol(path: KeyPath, router: VirtualRouter, report: Report) -> None:
    """Report what version, family and mode of `router` do not allow."""
    _judge_version(path, router, report)
    _judge_interval(path, router, report)
    _judge_checksum(path, router, report)
    _judge_length(path, router, report)
    _judge_authentication((*path, "authentication"), router, report)
    _judge_delay(path, router, report)
    _judge_ttl(path, router, report)


@rule
def judge_peers(
    path: KeyPath, router: VirtualRouter, nodes: Mapping[str, Node], report: Report
) -> None:
    """Report why the nodes can not be each other's peers."""
    if not router.unicast:
        return
    if len(nodes) < 2:
        report.wrong((*path, "unicast"), "there is no other node to send to")
    family = family_of(router)
    for name, node in nodes.items():
        _judge_peer((*path, "unicast"), family, name, node, report)


@rule
def _judge_peer(at: KeyPath, family: Family, name: str, node: Node, report: Report) -> None:
    if Family.of(node.address) is not family:
        kind = "IPv4" if family is Family.IPV4 else "IPv6"
        report.wrong(at, f"{node.address}, the address of node {name}, is not {kind}")
    elif node.address.is_link_local:
        message = f"{node.address}, the address of node {name}, is good on one link only"
        report.wrong(at, message)


@rule
def _judge_version(path: KeyPath, router: VirtualRouter, report: Report) -> None:
    if router.version == 2 and family_of(router) is Family.IPV6:
        report.wrong((*path, "version"), "version 2 carries IPv4 only")


@rule
def _judge_checksum(path: KeyPath, router: VirtualRouter, report: Report) -> None:
    is_usual = router.checksum == "with_pseudo_header"
    if not is_usual and (router.version == 2 or family_of(router) is Family.IPV6):
        report.wrong((*path, "checksum"), "'without' is for version 3 over IPv4")


@rule
def _judge_delay(path: KeyPath, router: VirtualRouter, report: Report) -> None:
    if router.preempt_delay and not router.preempt:
        report.wrong((*path, "preempt_delay"), "preempt is false: there is nothing to delay")


@rule
def _judge_ttl(path: KeyPath, router: VirtualRouter, report: Report) -> None:
    if router.accept_ttl != 255 and not router.unicast:
        message = "a lower TTL is for unicast: to the group nothing comes through a router"
        report.wrong((*path, "accept_ttl"), message)


@rule
def _judge_interval(path: KeyPath, router: VirtualRouter, report: Report) -> None:
    interval = router.advertisement_interval
    shown = show_seconds(interval)
    if router.version == 2:
        rule, step, longest = "1s to 255s in whole seconds", 1.0, float(_V2_LONGEST)
    else:
        rule, step, longest = "10ms to 40.95s in steps of 10ms", _V3_STEP, _V3_LONGEST
    steps = interval / step
    if not step <= interval <= longest or abs(steps - round(steps)) > 1e-6:
        message = f"{shown} is not possible in version {router.version}: {rule}"
        report.wrong((*path, "advertisement_interval"), message)


@rule
def _judge_length(path: KeyPath, router: VirtualRouter, report: Report) -> None:
    most = _MOST_ADDRESSES
    if family_of(router) is Family.IPV6:
        is_signed = isinstance(router.authentication, HmacAuthentication)
        most = _MOST_IPV6_SIGNED if is_signed else _MOST_IPV6
    if (count := len(router.addresses)) > most:
        message = f"{count} addresses are more than the {most} an advertisement holds"
        report.wrong((*path, "addresses"), message, "put the others into excluded_addresses")


@rule
def _judge_authentication(at: KeyPath, router: VirtualRouter, report: Report) -> None:
    match router.authentication:
        case PasswordAuthentication() if router.version == 3:
            hint = "version 3 has no passwords (RFC 9568 section 9); type hmac signs"
            report.wrong(at, "'pass' is for version 2", hint)
        case HmacAuthentication(keys=keys, active=active) if active not in keys:
            known = ", ".join(map(str, keys)) or "none"
            report.wrong((*at, "active"), f"{active} is not one of keys: {known}")
