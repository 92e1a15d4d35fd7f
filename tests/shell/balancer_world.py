"""A director without checks and processes: balancer and reconciler on the in-memory kernel."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from ipaddress import ip_address

from lvsha.core.health import Health, Measured, Outcome, ProbeResult
from lvsha.core.plan import Check, DirectorPlan, RealServer, VirtualService
from lvsha.core.probes import TcpProbe
from lvsha.core.types import (
    DestinationStatus,
    Forwarding,
    Protocol,
    Service,
    ServiceKey,
    Stats,
)
from lvsha.director.balancer import Balancer
from lvsha.director.board import Board
from lvsha.director.ownership import Ownership
from lvsha.director.reconciler import Reconciler
from lvsha.kernel.memory import MemoryIpvs

KEY = ServiceKey(Protocol.TCP, ip_address("192.0.2.1"), 80)
UNKNOWN, UP, DOWN = Measured.UNKNOWN, Measured.UP, Measured.DOWN


def server(number: int, weight: int = 1) -> RealServer:
    address = ip_address(f"10.0.0.{number}")
    return RealServer(address, 80, Forwarding.DR, weight, checks=(Check(TcpProbe(), address, 80),))


A, B, C, D, SORRY = (server(n) for n in (1, 2, 3, 4, 50))
WEB = VirtualService("web", Service(KEY), (A, B))


class Recording(MemoryIpvs):
    """The twin, remembering what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = []

    def apply(self, commands):
        self.asked += commands
        return super().apply(commands)


class World:
    """A director without checks and processes: what they would say is said by the test."""

    def __init__(self, directory, *services: VirtualService) -> None:
        self.directory = directory
        self.ipvs = Recording()
        self.services = services
        self.health: dict[Check, Health] = {}
        self.start()

    def start(self, measured: Measured = UNKNOWN) -> None:
        """A new director process on the same kernel and runtime directory."""
        self.health = {}
        self.measured = measured
        loop = asyncio.get_running_loop()
        health = lambda check: self.health.get(check, Health(self.measured))  # noqa: E731
        board = Board(health, loop.time, loop.time)
        self.balancer = Balancer(board, self.directory, wall=loop.time)
        self.table = Reconciler(self.ipvs, Ownership(self.directory), self.balancer.services.view)
        self.board = board
        self.table.adopt()
        self.balancer.open(self.ipvs, self.table)
        self.configure(*self.services)

    def configure(self, *services: VirtualService) -> None:
        self.services = services
        plan = DirectorPlan("c", "n", services)
        self.board.update(services)
        self.balancer.configure(plan)
        self.table.configure(plan)

    def verdict(self, measured: Measured, *servers: RealServer, advice=None) -> None:
        """All at once, as far as the table can tell."""
        for each in servers:
            old = self.health.get(each.checks[0], Health(self.measured))
            new = Health(measured, advice=advice)
            self.health[each.checks[0]] = new
            outcome = Outcome.PASS if measured is UP else Outcome.FAIL
            self.balancer.judged(each.checks[0], old, new, ProbeResult(outcome, "", 0, 0, advice))
        self.table.settle()

    def order(self, verb: str, server: RealServer, weight: int | None = None) -> None:
        self.balancer.order(verb, "web", str(server), weight)
        self.table.settle()

    def weights(self) -> dict[int, int]:
        """By the last part of the address."""
        found = self.ipvs.destinations(KEY)
        return {
            int(str(s.destination.key.address).split(".")[-1]): s.destination.weight for s in found
        }

    def traffic(self, server: RealServer, active: int, inactive: int = 0, packets: int = 0) -> None:
        held = next(
            s.destination for s in self.ipvs.destinations(KEY) if s.destination.key == server.key
        )
        stats = Stats(in_packets=packets)
        self.ipvs.observe(KEY, DestinationStatus(held, active, inactive, stats=stats))


@asynccontextmanager
async def living(world: World):
    jobs = [asyncio.create_task(job) for job in (world.balancer.run(), world.table.run())]
    yield
    for job in jobs:
        job.cancel()


def up(directory, *services: VirtualService) -> World:
    """A world in which every server has been judged UP."""
    world = World(directory, *services)
    for service in services:
        world.verdict(UP, *service.servers)
    world.ipvs.asked = []
    return world
