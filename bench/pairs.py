"""Two nodes that guard the same addresses, of lvsha or of keepalived, and an ear beside them."""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Protocol
from unittest import mock

from bench import keepalived
from bench.ear import Advert, Ear, listening
from bench.keepalived import KeepalivedNode
from lvsha.lab import nodes
from lvsha.lab.nodes import DirectorNode, wait_for
from lvsha.lab.topology import CLIENT, DIRECTOR, FRONT, Lab, Namespace

MAKES = ("lvsha", "keepalived")
PRIORITIES = (150, 100)
FIRST, SECOND = "192.168.1.11", "192.168.1.12"
"""Addresses of the two nodes, the first of which is to be master."""

FIRST_VIP = IPv4Address("192.168.1.100")


class Node(Protocol):
    machine: Namespace

    def start(self) -> None: ...
    def stop(self) -> int: ...
    def die(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Pair:
    """`make` is what the nodes run; `ear` is in the same segment."""

    make: str
    interval: float
    addresses: tuple[IPv4Address, ...]
    ear: Ear
    first: Node
    second: Node

    def settle(self) -> None:
        """Return once the first node alone advertises, twice every router without a word from the
        other between, and it alone holds the addresses."""
        twice: Counter[int] = Counter()

        def first_advertises() -> bool:
            for each in self.ear.hear():
                if isinstance(each, Advert):
                    count = twice[each.virtual_router_id] + 1 if each.source == FIRST else 0
                    twice[each.virtual_router_id] = count
            return sum(count > 1 for count in twice.values()) == len(self.addresses)

        wait_for(f"{self.make}: the first node master", first_advertises)
        wait_for(f"{self.make}: the addresses there", self._first_holds)

    def held(self, node: Node) -> int:
        """How many of the addresses a node has."""
        shown = node.machine.run("ip", "-o", "-4", "address", "show", "dev", "eth0").split()
        return sum(f"{address}/32" in shown for address in self.addresses)

    def _first_holds(self) -> bool:
        return (self.held(self.first), self.held(self.second)) == (len(self.addresses), 0)

    def revive(self) -> None:
        """The first node as after a power cut: no address left over, link up, started."""
        machine = self.first.machine
        machine.ip(*(f"address flush dev eth0 to {each}/32" for each in self.addresses))
        machine.link(up=True)
        self.first.start()


def vrrp_of(node: Node) -> int:
    """The process that does VRRP."""
    match node:
        case KeepalivedNode():
            return node.vrrp
        case DirectorNode():
            status = node.status()
            assert status is not None
            return int(status["pids"]["vrrp"])
    raise AssertionError(node)


@contextmanager
def pairs(count: int, interval: float, *makes: str) -> Iterator[list[Pair]]:
    """Of each make with `count` virtual routers, all once they have settled."""
    addresses = tuple(FIRST_VIP + 256 * (n // 100) + n % 100 for n in range(count))
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        held.enter_context(
            mock.patch.object(nodes, "LVSHA", (sys.executable, "-m", "bench.daemon"))
        )
        found = []
        for make in makes or MAKES:
            client, *machines = _segment(held.enter_context(Lab()))
            first, second = _nodes(make, machines, folder, addresses, interval)
            ear = held.enter_context(listening(client))
            found.append(Pair(make, interval, addresses, ear, first, second))
            first.start()
            second.start()
        for pair in found:
            pair.settle()
        yield found


def _segment(lab: Lab) -> tuple[Namespace, ...]:
    machines = lab.add("client", "lb1", "lb2")
    lab.bridge(FRONT)
    lab.plug(FRONT, zip(machines, (CLIENT, DIRECTOR, DIRECTOR + 1), strict=True))
    return machines


def _nodes(
    make: str,
    machines: Sequence[Namespace],
    folder: Path,
    addresses: Sequence[IPv4Address],
    interval: float,
) -> list[Node]:
    routers = list(enumerate(addresses, 1))
    if make == "keepalived":
        texts = [keepalived.configuration(routers, priority, interval) for priority in PRIORITIES]
        return [KeepalivedNode(*each, folder) for each in zip(machines, texts, strict=True)]
    file = folder / "bench.yaml"
    file.write_text(_cluster(routers, interval))
    return [DirectorNode(machine, file, folder) for machine in machines]


def _cluster(routers: Sequence[tuple[int, IPv4Address]], interval: float) -> str:
    lines = ["cluster: bench\nsysctls: {}\nnodes:\n"]
    lines += [
        f"  lb{n}: {{address: {address}, interface: eth0, priority: {priority}}}\n"
        for n, (address, priority) in enumerate(zip((FIRST, SECOND), PRIORITIES, strict=True), 1)
    ]
    lines.append("virtual_routers:\n")
    lines += [
        f"  - {{name: r{number}, virtual_router_id: {number}, addresses: [{address}], "
        f"advertisement_interval: {interval}}}\n"
        for number, address in routers
    ]
    return "".join(lines)
