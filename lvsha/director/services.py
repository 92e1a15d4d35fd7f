"""State of our virtual services: who is alive, and whether the quorum holds.

A verdict touches only the servers of its check: cost does not grow with the cluster.
"""

from __future__ import annotations

from lvsha.core.health import Measured
from lvsha.core.plan import DirectorPlan, RealServer, VirtualService
from lvsha.core.types import DestinationKey, IpvsTable
from lvsha.director.board import Board
from lvsha.runtime.logs import log


class Services:
    """The plan's services seen through their servers' health."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._alive: dict[str, int] = {}
        self._counted: set[tuple[str, DestinationKey]] = set()
        self._up: dict[str, bool] = {}

    def configure(self, plan: DirectorPlan, known: IpvsTable) -> None:
        """Take a plan. `known` is the kernel's table: an undecided server found in it is alive."""
        was = self._up
        self._alive = {}
        self._counted = set()
        for service in plan.services:
            self._count_all(service, known)
        self._up = {s.name: self._alive[s.name] >= s.quorum for s in plan.services}
        for service in plan.services:
            if was.get(service.name, self._up[service.name]) != self._up[service.name]:
                self._say(service)

    def judgement(self, _: VirtualService, server: RealServer) -> Measured:
        """What is known of a server, for `core.desired`."""
        return self._board.health_of(server).measured

    def alive_weight(self, service: VirtualService) -> int:
        return self._alive[service.name]

    def is_up(self, service: VirtualService) -> bool:
        return self._up[service.name]

    def changed(self, service: VirtualService, server: RealServer) -> None:
        """Count a server in or out after its verdict; one log line when the service turns."""
        self._count(service, server, self._board.health_of(server).measured is Measured.UP)
        up = self._alive[service.name] >= service.quorum
        if up != self._up[service.name]:
            self._up[service.name] = up
            self._say(service)

    def _count_all(self, service: VirtualService, known: IpvsTable) -> None:
        """A server serves when it is UP, or undecided and found in the kernel with a weight."""
        self._alive[service.name] = 0
        entry = known.get(service.key)
        for server in service.real_servers:
            measured = self._board.health_of(server).measured
            found = entry.destinations.get(server.key) if entry else None
            kept = measured is Measured.UNKNOWN and found is not None and found.weight > 0
            self._count(service, server, measured is Measured.UP or kept)

    def _count(self, service: VirtualService, server: RealServer, alive: bool) -> None:
        place = (service.name, server.key)
        if alive and place not in self._counted:
            self._counted.add(place)
            self._alive[service.name] += server.weight
        elif not alive and place in self._counted:
            self._counted.remove(place)
            self._alive[service.name] -= server.weight

    def _say(self, service: VirtualService) -> None:
        up = self._up[service.name]
        (log.info if up else log.error)(
            "service.state",
            service=service.name,
            old="DOWN" if up else "UP",
            new="UP" if up else "DOWN",
            alive_weight=self._alive[service.name],
            quorum=service.quorum,
        )
