"""Sync groups in simulated time: machines with a router on each of several segments.

Routers are named MACHINE/SEGMENT; all of a machine are one group, held together as the VRRP
process does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_interface

from lvsha.core.groups import Verb, decide, shared_faults
from lvsha.core.mastership import Event, Faults, State, StepDown, TakeOver, Timeout
from tests.simulation import Node, Simulation, virtual_router


def machine(number: int, priority: int, segments: Sequence[str], **changes):
    """The routers of machine `lbNUMBER`."""
    return [
        virtual_router(
            f"lb{number}/{segment}",
            priority=priority,
            source=ip_address(f"10.{place}.0.{number}"),
            addresses=(ip_interface(f"10.{place}.0.100/32"),),
            **changes,
        )
        for place, segment in enumerate(segments)
    ]


class GroupSimulation(Simulation):
    def __init__(self, *routers) -> None:
        super().__init__(*routers)
        self._own: dict[str, frozenset[str]] = {vr.name: frozenset() for vr in routers}
        self._settling: set[str] = set()
        self.split: list[tuple[float, str]] = []
        """Moments at which a machine had some of its addresses and not the others."""

    def members(self, name: str) -> dict[str, Node]:
        place = name.partition("/")[0]
        return {each: node for each, node in self.nodes.items() if each.startswith(f"{place}/")}

    def start_machine(self, name: str) -> None:
        self.each(name, "start")

    def each(self, name: str, verb: str, *arguments) -> None:
        """All of a machine at once, as a process does: it settles afterwards."""
        self._settling.add(name)
        for member in self.members(name):
            getattr(self, verb)(member, *arguments)
        self._settling.discard(name)
        self.settle(name)

    def fault(self, name: str, *reasons: str) -> None:
        self._own[name] = frozenset(reasons)
        self._share(name)

    def owners(self) -> list[str]:
        """Machines that have anything."""
        return sorted({name.partition("/")[0] for name in self.masters()})

    def feed(self, node: Node, event: Event) -> None:
        super().feed(node, Timeout(held=True) if isinstance(event, Timeout) else event)
        self.settle(node.name.partition("/")[0])

    def settle(self, name: str) -> None:
        members = self.members(name)
        if name in self._settling or not all(node.alive for node in members.values()):
            return
        self._settling.add(name)
        word = decide("all", {each: node.router for each, node in members.items()})
        for each in word.members:
            taking = word.verb is Verb.TAKE_OVER
            event = TakeOver(word.reason) if taking else StepDown(word.reason)
            super().feed(members[each], event)
        self._settling.discard(name)
        states = {node.router.state for node in members.values()}
        if State.MASTER in states and len(states) > 1:
            self.split.append((self.now, name))

    def _share(self, name: str) -> None:
        place = name.partition("/")[0]
        members = self.members(name)
        shared = shared_faults("all", {each: self._own[each] for each in members})
        self._settling.add(place)
        for each, node in members.items():
            super().feed(node, Faults(self._own[each] | shared[each]))
        self._settling.discard(place)
        self.settle(place)

    def _send(self, sender: Node, ad) -> None:
        segment = sender.name.partition("/")[2]
        strangers = {name: n for name, n in self.nodes.items() if not name.endswith(f"/{segment}")}
        for name in strangers:
            del self.nodes[name]
        super()._send(sender, ad)
        self.nodes.update(strangers)
