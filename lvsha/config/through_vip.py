"""Checks `via: vip` in the file: which checks, services and servers they go with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set

from lvsha.config.checks import CHECKS, CheckMistake, CommonCheck
from lvsha.config.document import Report
from lvsha.config.draft import Draft
from lvsha.config.mapping import rule
from lvsha.config.routers import known_nodes
from lvsha.config.schema import Node
from lvsha.core.detour import Detour
from lvsha.core.plan import VirtualService
from lvsha.core.through import rely_on_node
from lvsha.core.types import Address, Family, Forwarding, Key, ServiceKey


def judge_via(kind: str, check: CommonCheck, given: Set[str]) -> Iterator[CheckMistake]:
    """What does not go with the way of a check, whatever its server."""
    if check.via == "server":
        return
    if not check.can_detour:
        able = ", ".join(name for name, model in CHECKS.items() if model.can_detour)
        yield CheckMistake("via", f"checks of type {kind} can't go by vip", f"these can: {able}")
        return
    if "mark" in given:
        yield CheckMistake("mark", "not beside via vip: such packets have a mark of their own")


def virtual_address(
    key: Key, detour: Detour, check: CommonCheck, nodes: Mapping[Address, str]
) -> Address | CheckMistake:
    """Where a check by this detour asks. `nodes` are the directors' names by address."""
    if detour.forwarding not in (Forwarding.DR, Forwarding.TUN):
        word = detour.forwarding.name.lower()
        message = f"vip is for dr and tun, and {detour.server} has forwarding {word}"
        return CheckMistake("via", message, "`via: server` in its own check asks it straight")
    if isinstance(key, ServiceKey):
        if check.address is not None:
            return CheckMistake("address", f"not beside via vip, which asks at {key.address}")
        virtual = key.address
    elif check.address is None:
        hint = "say at which of the virtual addresses to ask"
        return CheckMistake("via", "vip needs address in a service with fwmark", hint)
    else:
        virtual = check.address
    if Family.of(virtual) is not key.family:
        return CheckMistake("address", f"{virtual} is not of the service's family")
    strangers = [name for node, name in nodes.items() if node.version != virtual.version]
    if strangers and not check.source and detour.server.version != virtual.version:
        who = f"node {strangers[0]!r}"
        message = f"vip needs source: {who} has no IPv{virtual.version} address in the file"
        return CheckMistake("via", message)
    return virtual


def judge_interfaces(
    draft: Draft, services_of: Mapping[str, tuple[VirtualService, ...]], report: Report
) -> None:
    """The kernel of each node must be told where the answers to detours come in."""
    for name, node in (known_nodes(draft) or {}).items():
        if rely_on_node(services_of[name]):
            _judge_interface(name, node, report)


@rule
def _judge_interface(name: str, node: Node, report: Report) -> None:
    if node.interface is None:
        hint = "where the answers to checks via vip come in, unless these say device"
        report.wrong(("nodes", name), "missing key 'interface'", hint)
