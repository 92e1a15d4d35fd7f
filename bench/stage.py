"""A real Director in this process: kernel on paper, probes on order, an HTTP face that works."""

from __future__ import annotations

import asyncio
import gc
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from unittest import mock

from bench import clusters
from bench.paper import PaperKernel
from lvsha.core.health import Outcome, ProbeResult
from lvsha.core.messages import Configure, Message
from lvsha.core.plan import Check, DirectorPlan, RealServer, VirtualService
from lvsha.core.probes import TcpProbe
from lvsha.core.types import Forwarding, Protocol, Service, ServiceKey
from lvsha.director import director as seams
from lvsha.runtime import logs
from lvsha.runtime.channel import Channel

HOUR = 3600.0
PASSED = ProbeResult(Outcome.PASS, "on order", 0.001, 0.0)
Done = Callable[[ProbeResult], None]


def plan(services: int, each: int, resync_interval: float = HOUR) -> DirectorPlan:
    """Every server with a check of its own."""
    return DirectorPlan(
        "bench",
        clusters.NODE,
        tuple(_service(index, each) for index in range(services)),
        resync_interval,
    )


def _service(index: int, each: int) -> VirtualService:
    key = ServiceKey(Protocol.TCP, IPv4Address(clusters.VIP + index), 80)
    addresses = (IPv4Address(clusters.SERVER + index * each + n) for n in range(each))
    servers = (
        RealServer(
            address,
            80,
            Forwarding.DR,
            checks=(Check(TcpProbe(), address, 80, HOUR, rise=1, fall=1),),
        )
        for address in addresses
    )
    return VirtualService(f"s{index}", Service(key), tuple(servers))


@dataclass
class Orders:
    """A prober: every probe passes at once, those of the `held` when `let_pass` says."""

    held: frozenset[IPv4Address]
    waiting: dict[IPv4Address, Done] = field(default_factory=dict)
    passed: int = 0

    def prepare(self, check: Check) -> Callable[[Done], SimpleNamespace]:
        address = cast(IPv4Address, check.address)

        def start(done: Done) -> SimpleNamespace:
            if address in self.held:
                self.waiting[address] = done
            else:
                self.passed += 1
                asyncio.get_running_loop().call_soon(done, PASSED)
            return SimpleNamespace(cancel=lambda: None)

        return start

    def let_pass(self, address: IPv4Address) -> None:
        self.waiting.pop(address)(PASSED)

    def close(self) -> None:
        """Nothing is under way."""


class Supervisor:
    """The other end of a director's channel."""

    def __init__(self) -> None:
        self.orders: asyncio.Queue[Message] = asyncio.Queue()

    async def messages(self) -> AsyncIterator[Message]:
        while True:
            yield await self.orders.get()

    def send(self, message: Message) -> None:
        """What a director says is not of interest."""


@dataclass
class Stage:
    director: seams.Director
    kernel: PaperKernel
    orders: Orders
    socket: Path


@asynccontextmanager
async def stage(
    wanted: DirectorPlan, held: frozenset[IPv4Address] = frozenset()
) -> AsyncIterator[Stage]:
    """Once the plan is in force and all are up but the held, which the kernel lacks."""
    kernel, orders = PaperKernel(wanted.services, held), Orders(held)
    supervisor = Supervisor()
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(seams, "Prober", return_value=orders),
        _log_nowhere(),
    ):
        director = seams.Director(cast(Channel, supervisor), Path(folder), open_ipvs=kernel.ipvs)
        gc.freeze()
        jobs = [asyncio.create_task(job, name=name) for name, job in director.jobs().items()]
        supervisor.orders.put_nowait(Configure(1, wanted))
        try:
            await _settled(orders, sum(len(each.real_servers) for each in wanted.services))
            yield Stage(director, kernel, orders, Path(folder) / "control.sock")
        finally:
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            await director.close()
            gc.unfreeze()


async def _settled(orders: Orders, total: int) -> None:
    async with asyncio.timeout(60):
        while orders.passed + len(orders.waiting) < total:
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.1)


@contextmanager
def _log_nowhere() -> Iterator[None]:
    """The log at work as in the daemon, but for what becomes of its lines."""
    with Path(os.devnull).open("w") as nowhere:
        listener = logs.start({"cluster": "bench"}, nowhere)
        try:
            yield
        finally:
            listener.stop()
