"""A director in the test's own process, in the site's director namespace, on the real kernel.

Real servers answer clients on one port and checks on another, so that checks can fail while
whoever is still sent there is served: what a client loses then, the balancing has lost.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lvsha.cli import orders
from lvsha.config.resolve import resolve
from lvsha.core.messages import Configure, Configured, Message, Stop
from lvsha.core.plan import DirectorPlan
from lvsha.director.director import Director
from lvsha.kernel.modules import load_ipvs
from lvsha.lab.client import Outcome, Steady, Target
from lvsha.lab.nodes import wait_for
from lvsha.lab.responder import Manner, Responder
from lvsha.lab.topology import INNER, REAL_SERVER, Namespace
from lvsha.runtime import control
from lvsha.runtime.tasks import run_until_first_ends
from tests.kernel.file import cluster_file
from tests.kernel.site import MAPPED_PORT, Site

HEALTH_PORT = 8081
CHECK = {
    "type": "tcp",
    "port": HEALTH_PORT,
    "interval": "300ms",
    "timeout": "250ms",
    "rise": 1,
    "fall": 2,
}
RATE = 15.0
"""Requests a second: a guest has one slow processor for everybody."""


class Channel:
    """The supervisor's end, as far as a director sees it."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[Message] = asyncio.Queue()
        self.heard: list[Message] = []

    def send(self, message: Message) -> None:
        self.heard.append(message)

    async def messages(self) -> Any:
        while True:
            yield await self.said.get()


class InProcess:
    """A running director."""

    def __init__(self, machine: Namespace, directory: Path) -> None:
        self.directory = directory
        self._begun = threading.Event()
        self._generation = 0
        self._thread = machine.thread("director", lambda: asyncio.run(self._run()))
        assert self._begun.wait(30)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._channel = Channel()
        director = Director(self._channel, self.directory)  # type: ignore[arg-type]
        self._begun.set()
        await run_until_first_ends(director.jobs())
        await director.close()

    def tell(self, message: Message) -> None:
        self._loop.call_soon_threadsafe(self._channel.said.put_nowait, message)

    def configure(self, plan: DirectorPlan) -> None:
        self._generation += 1
        self.tell(Configure(self._generation, plan))
        wanted = Configured(self._generation)
        wait_for("the plan in force", lambda: wanted in self._channel.heard, 30)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = control.get(self.directory, "/status")
        return found

    def service(self) -> dict[str, Any]:
        (only,) = self.status()["virtual_services"]
        return only

    def order(self, verb: str, *words: str) -> None:
        answer = orders.give(verb, ["service", *words], self.directory)
        assert answer["error"] == ""

    def stop(self) -> None:
        self.tell(Stop())
        self._thread.join(30)


class Balanced:
    """The site's nat servers behind an in-process director."""

    def __init__(self, site: Site, directory: Path) -> None:
        self.site = site
        self.directory = directory
        machines = {name: each for name, each in site.machines.items() if name.startswith("nat")}
        self.health = {name: Responder(each, [HEALTH_PORT]) for name, each in machines.items()}
        self.director: InProcess | None = None

    def start(self, servers: dict[str, int], vip: str | None = None, **service: object) -> Target:
        """A director for one service of these servers, weights by name, once all are judged."""
        self.director = InProcess(self.site.director, self.directory)
        self.vip = vip or self.site.fresh_vip()
        return self.reload(servers, **service)

    def reload(self, servers: dict[str, int], **service: object) -> Target:
        keys = {"scheduler": "rr", "forwarding": "nat", "on_failure": "quiesce", **service}
        weights = {address(name): weight for name, weight in servers.items()}
        file = cluster_file(weights, port=MAPPED_PORT, address=self.vip, check=CHECK, **keys)
        plan = self.plan = resolve(file, "lb1").director
        load_ipvs([each.service.scheduler for each in plan.services])
        self.running.configure(plan)
        wait_for("all judged", lambda: self.running.status()["ready"], 30)
        key = plan.services[0].key
        return Target(key.address, key.port, key.protocol)  # type: ignore[union-attr]

    @property
    def running(self) -> InProcess:
        assert self.director is not None
        return self.director

    def stop(self) -> None:
        if self.director is not None:
            self.director.stop()
            self.director = None

    def close(self) -> None:
        self.stop()
        for responder in self.health.values():
            responder.close()

    def fail(self, *names: str) -> None:
        for name in names:
            self.health[name].become(Manner.REFUSE)

    def heal(self, *names: str) -> None:
        for name in names:
            self.health[name].become(Manner.ANSWER)

    def weights(self) -> dict[str, int]:
        """By name, as the real ipvsadm lists them."""
        return {name_of(server): row.weight for server, row in self.site.rows().items()}

    def comes_to(self, **weights: int) -> None:
        wait_for(f"weights {weights}", lambda: self.weights() == weights, 30)

    @contextmanager
    def traffic(self, target: Target) -> Iterator[Traffic]:
        """Steady requests meanwhile, each of which must be answered."""
        traffic = Traffic()
        steady = Steady(self.site.client.machine, target, RATE, 10.0, traffic.outcomes.append)
        try:
            yield traffic
        finally:
            steady.stop()


class Traffic:
    """What clients met."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []

    @property
    def failed(self) -> list[str]:
        return [each.error for each in self.outcomes if each.server is None]

    def next(self, count: int = 12) -> list[str]:
        """Who answers that many requests that begin from now on."""
        seen = len(self.outcomes) + round(RATE)  # those under way may have begun before
        self._wait(lambda: len(self.outcomes) >= seen + count)
        return [each.server or each.error for each in self.outcomes[seen : seen + count]]

    def _wait(self, come: Callable[[], bool]) -> None:
        wait_for("answers", come, 60)


def address(name: str) -> str:
    """Of nat1, nat2 and so on."""
    return str(INNER.addresses(REAL_SERVER + int(name.removeprefix("nat")) - 1)[0].ip)


def endpoint(name: str) -> str:
    return f"{address(name)}:{MAPPED_PORT}"


def name_of(server: str) -> str:
    return next(name for name in ("nat1", "nat2", "nat3") if endpoint(name) == server)
