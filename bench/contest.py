"""lvsha and keepalived at work beside each other on a real IPVS, and what their tables say.

Each in a namespace of its own, each with its own real servers, which all live in a third.
"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.rivals import RIVALS, SERVICE, Rival
from lvsha.kernel.ipvs import KernelIpvs
from lvsha.lab.topology import CLIENT, DIRECTOR, FRONT, Lab, Namespace

LOOK = 0.02
"""Seconds between two looks at a table, where the moment counts."""

PATIENCE = 20.0
"""Seconds a fault may stay unseen."""

START = 120.0
"""Seconds both may take to start: the guest is slow at that."""


class Table:
    """Who is in a program's table, as seen from time to time."""

    def __init__(self, machine: Namespace) -> None:
        with machine.entered():
            self._ipvs = KernelIpvs.open()
        self.present: frozenset[str] = frozenset()
        self._awaited: dict[tuple[str, bool], asyncio.Future[float]] = {}

    async def until(self, address: str, *, present: bool) -> float:
        """When it was first seen there, or gone."""
        assert (address in self.present) is not present, f"{address} was so already"
        seen = self._awaited[address, present] = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(PATIENCE):
            moment: float = await seen
        return moment

    async def watch(self, pause: float) -> None:
        while True:
            now = time.monotonic()
            for _, found in self._ipvs.read((SERVICE,), counters=False):
                self._note({str(each.destination.key.address) for each in found or ()}, now)
            await asyncio.sleep(pause)

    def _note(self, there: set[str], now: float) -> None:
        for address in self.present ^ there:
            if seen := self._awaited.pop((address, address in there), None):
                seen.set_result(now)
        self.present = frozenset(there)


class Contest:
    """Both programs, `count` servers each."""

    def __init__(self, lab: Lab, count: int) -> None:
        self.count = count
        self.machines = dict(zip(RIVALS, lab.add(*(each.name for each in RIVALS)), strict=True))
        (self.home,) = lab.add("servers")
        lab.bridge(FRONT)
        numbered = [(each, DIRECTOR + n) for n, each in enumerate(self.machines.values())]
        lab.plug(FRONT, [(self.home, CLIENT), *numbered])
        self.home.ip("route add local 10.0.0.0/8 dev lo")
        for machine in self.machines.values():
            machine.ip(f"route add 10.0.0.0/8 via {FRONT.addresses(CLIENT)[0].ip}")
        self._logs: dict[Rival, Path] = {}
        self.tables = {rival: Table(machine) for rival, machine in self.machines.items()}

    @property
    def addresses(self) -> list[str]:
        """Every server's."""
        return [address for rival in RIVALS for address in rival.addresses(self.count)]

    @contextmanager
    def begun(self, check: str, look: float) -> Iterator[None]:
        """Both started and looked at every `look` seconds; `settled` says when they are at work."""
        with ExitStack() as stack:
            for rival, machine in self.machines.items():
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                self._logs[rival] = folder / f"{machine.name}.log"
                process = rival.start(machine, folder, check, rival.addresses(self.count))
                stack.callback(_end, process)
                watch = asyncio.create_task(self.tables[rival].watch(look), name=rival.name)
                stack.callback(watch.cancel)
            yield

    async def settled(self) -> None:
        """Once every server is in its table, and was looked after for a while."""
        deadline = time.monotonic() + START
        while not self.is_complete:
            assert time.monotonic() < deadline, self._standing()
            await asyncio.sleep(LOOK)
        await asyncio.sleep(3)

    def _standing(self) -> str:
        """What each has in its table, and its last words."""
        return "\n".join(
            f"{rival.name}: {len(self.tables[rival].present)} of {self.count} servers\n"
            + "\n".join(log.read_text().splitlines()[-5:])
            for rival, log in self._logs.items()
        )

    @property
    def is_complete(self) -> bool:
        """Every server is in its table."""
        return all(len(table.present) == self.count for table in self.tables.values())


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(30)
