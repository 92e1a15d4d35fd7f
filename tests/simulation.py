"""Virtual routers on one segment in simulated time: `election.step` with nothing around it but
a clock, a wire with a delay, and a world that kills, cuts and stalls.

A stalled router reads what has arrived before it believes its timer, as the process does.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_interface
from itertools import count

from lvsha.core import advert
from lvsha.core.advert import Advertisement
from lvsha.core.election import begin, step
from lvsha.core.mastership import (
    Action,
    Advertise,
    Announce,
    Carried,
    Changed,
    Conflict,
    Event,
    Faults,
    Forgiven,
    Listen,
    Own,
    Received,
    Reconfigure,
    Router,
    SetPriority,
    Start,
    State,
    Stop,
    Timeout,
)
from lvsha.core.plan import VirtualRouter
from lvsha.core.types import Address, Family

LATENCY = 0.0005


def virtual_router(name: str = "web", **changes) -> VirtualRouter:
    """A router at 10.0.0.1 with one VIP, unless said otherwise."""
    plain = VirtualRouter(
        name,
        51,
        "eth0",
        Family.IPV4,
        100,
        (ip_interface("10.0.0.100/32"),),
        source=ip_address("10.0.0.1"),
    )
    return replace(plain, **changes)


@dataclass
class Node:
    vr: VirtualRouter
    router: Router
    alive: bool = False
    cut: bool = False
    stalled_until: float = 0.0
    waiting: list[tuple[Advertisement, Address]] = field(default_factory=list)
    timer: float | None = None
    owns: bool = False
    announced: float = -1.0
    conflicts: int = 0

    @property
    def name(self) -> str:
        return self.vr.name


class Simulation:
    """`log` is every action, in order: (seconds, node, action).

    `watch` sees every step: (node, router before, event, router after, actions).
    """

    def __init__(self, *routers: VirtualRouter) -> None:
        self.now = 0.0
        self.nodes = {vr.name: Node(vr, begin(vr)) for vr in routers}
        self.log: list[tuple[float, str, Action]] = []
        self.watch: Callable[[Node, Router, Event, Router, tuple[Action, ...]], None] | None = None
        self.overlap = 0.0
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    # the world

    def start(self, name: str) -> None:
        node = self.nodes[name]
        if not node.alive:
            node.alive, node.owns, node.waiting = True, False, []
            node.stalled_until = self.now
            node.router = begin(node.vr)
            self.feed(node, Start())

    def stop(self, name: str) -> None:
        node = self.nodes[name]
        if node.alive:
            self.feed(node, Stop())
            node.alive = False

    def kill(self, name: str) -> None:
        node = self.nodes[name]
        node.alive = node.owns = False

    def cut(self, name: str) -> None:
        self.nodes[name].cut = True

    def join(self, name: str) -> None:
        self.nodes[name].cut = False

    def stall(self, name: str, seconds: float) -> None:
        node = self.nodes[name]
        node.stalled_until = max(node.stalled_until, self.now + seconds)
        self.at(node.stalled_until, lambda: self._fire(node))

    def fault(self, name: str, *reasons: str) -> None:
        self.feed(self.nodes[name], Faults(frozenset(reasons)))

    def set_priority(self, name: str, priority: int) -> None:
        self.feed(self.nodes[name], SetPriority(priority))

    def reconfigure(self, name: str, **changes) -> None:
        node = self.nodes[name]
        previous, node.vr = node.vr, replace(node.vr, **changes)
        self.feed(node, Reconfigure(previous))

    # time

    def at(self, when: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._agenda, (when, next(self._order), act))

    def run_until(self, end: float) -> None:
        while self._agenda and self._agenda[0][0] <= end:
            when, _, act = heapq.heappop(self._agenda)
            self._pass_time(when)
            act()
        self._pass_time(end)

    def masters(self) -> list[str]:
        return [node.name for node in self.nodes.values() if node.alive and node.owns]

    def feed(self, node: Node, event: Event) -> None:
        before = node.router
        if not node.alive or self.now < node.stalled_until:
            return
        node.router, actions = step(node.vr, before, event, self.now)
        if self.watch:
            self.watch(node, before, event, node.router, actions)
        for action in actions:
            self._act(node, action)
        self._arm(node)

    def _arm(self, node: Node) -> None:
        deadline = node.router.deadline
        if deadline is not None and (node.timer is None or deadline < node.timer):
            node.timer = deadline
            self.at(deadline, lambda: self._fire(node))

    def _act(self, node: Node, action: Action) -> None:
        self.log.append((self.now, node.name, action))
        match action:
            case Advertise(priority):
                self._send(node, advert.of(node.vr, priority))
            case Own(addresses):
                node.owns = bool(addresses)
            case Announce():
                if not node.cut:
                    node.announced = self.now
            case Conflict():
                node.conflicts += 1
            case Listen():
                self._listen(node)
            case Changed() | Forgiven():
                pass

    def _send(self, sender: Node, ad: Advertisement) -> None:
        source = sender.vr.source
        assert source is not None
        if not sender.cut:
            for node in self.nodes.values():
                if node is not sender:
                    self.at(self.now + LATENCY, lambda node=node: self._arrive(node, ad, source))

    def _listen(self, node: Node) -> None:
        """Somebody is always there to answer, in reach or not."""
        if not node.cut:
            self.at(self.now + LATENCY, lambda: node.cut or self.feed(node, Carried()))

    def _arrive(self, node: Node, ad: Advertisement, source: Address) -> None:
        if node.cut or not node.alive:
            return
        node.waiting.append((ad, source))
        if self.now >= node.stalled_until:
            self._drain(node)

    def _drain(self, node: Node) -> None:
        waiting, node.waiting = node.waiting, []
        for ad, source in waiting:
            self.feed(node, Received(ad, source))

    def _fire(self, node: Node) -> None:
        node.timer = None
        if node.alive and self.now >= node.stalled_until:
            self._drain(node)
            self.feed(node, Timeout())
            self._arm(node)

    def _pass_time(self, to: float) -> None:
        reachable = [name for name in self.masters() if not self.nodes[name].cut]
        self.overlap += (to - self.now) if len(reachable) > 1 else 0.0
        self.now = max(self.now, to)


def described(action: Action) -> str:
    """An action in a line of a transcript."""
    match action:
        case Advertise(priority):
            return f"advertises priority {priority}"
        case Own(()):
            return "gives up its addresses"
        case Own(addresses):
            return f"takes {', '.join(map(str, addresses))}"
        case Announce():
            return "announces its addresses"
        case Changed(old, new, reason):
            return f"{old.value} → {new.value}: {reason}"
        case Conflict(address, priority):
            return f"sees a second master, {address}, priority {priority}"
        case Listen():
            return "asks who is there"
        case Forgiven(late):
            return f"woke {late:.3f} s late and waits once more"
    raise AssertionError(action)


__all__ = ["LATENCY", "Node", "Simulation", "State", "described", "virtual_router"]
