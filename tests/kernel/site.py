"""One client, one director, and real servers of every kind, all in the kernel under test."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lvsha.config.resolve import Cluster as ClusterFile
from lvsha.config.resolve import resolve, resolve_real_server
from lvsha.core import desired, diff
from lvsha.core.plan import RealServerPlan
from lvsha.core.types import Family, FwmarkKey
from lvsha.kernel.ipvs import KernelIpvs
from lvsha.kernel.modules import load_ipvs
from lvsha.lab.client import Client, Target
from lvsha.lab.responder import Responder
from lvsha.lab.topology import (
    CLIENT,
    FRONT,
    GATEWAY,
    INNER,
    REAL_SERVER,
    VIRTUAL,
    Cluster,
    Lab,
    Namespace,
    add_line,
    cluster,
)
from lvsha.realserver import agent
from lvsha.realserver.machine import this_machine
from tests.kernel.file import cluster_file

VIP4, VIP6 = (each.ip for each in FRONT.addresses(VIRTUAL))
CLIENTS = range(CLIENT, CLIENT + 8)
PORT, MAPPED_PORT = 80, 8080
WORDS = {"Route": "dr", "Masq": "nat", "Tunnel": "tun"}


@dataclass(frozen=True)
class Row:
    """A destination as the real ipvsadm lists it."""

    server: str
    forwarding: str
    weight: int
    active: int
    inactive: int


class Site:
    """The lab's machines, what they are told, and what they say."""

    def __init__(self, machines: Cluster) -> None:
        self.director = machines.directors[0]
        self.client = Client(machines.client)
        self.machines = {each.name: each for each in machines.real_servers}
        self.responders = {each.name: _responder(each) for each in machines.real_servers}
        self._front = [each for each in machines.real_servers if each.name.startswith("rs")]
        self._plans: dict[tuple[str, Family], RealServerPlan] = {}
        self._spare = itertools.count(VIRTUAL + 1)
        with self.director.entered():
            self.ipvs = KernelIpvs.open()

    def balance(
        self, servers: Mapping[str, int] | Iterable[str], *, port: int = PORT, **service: object
    ) -> Target:
        """Everybody does what a cluster file with this one service asks; what clients then ask.

        `servers` are addresses, with weights where they matter, all at `port`.
        """
        weights = servers if isinstance(servers, Mapping) else dict.fromkeys(servers, 1)
        file = cluster_file(weights, port=port, **service)
        self._set_up_real_servers(file)
        plan = resolve(file, "lb1").director
        load_ipvs([each.service.scheduler for each in plan.services])
        actual = self.ipvs.table()
        wanted = desired.build(plan, desired.View(desired.all_up), actual)
        assert self.ipvs.apply(diff.commands(wanted, actual, frozenset(actual))) == ()
        key = plan.services[0].key
        if isinstance(key, FwmarkKey):
            return Target(VIP4, port)
        return Target(key.address, key.port, key.protocol)

    def forget(self) -> None:
        """No service left."""
        actual = self.ipvs.table()
        assert self.ipvs.apply(diff.commands({}, actual, frozenset(actual))) == ()

    def fresh_vip(self) -> str:
        """A VIP the kernel remembers no connections of: its counts start at nothing.

        Destinations of a deleted service keep their counts while connections last.
        """
        address = FRONT.addresses(next(self._spare))[0]
        self.director.ip(add_line(f"{address.ip}/32", "eth0"))
        return str(address.ip)

    def mark(self, mark: int) -> None:
        """The director marks every TCP packet that comes in on its front."""
        qdisc = "qdisc replace dev eth0 clsact"
        match = "filter replace dev eth0 ingress prio 1 protocol ip u32 match ip protocol 6 0xff"
        for line in (qdisc, f"{match} action skbedit mark {mark}"):
            self.director.run("tc", *line.split())

    def unmark(self) -> None:
        self.director.run("tc", "qdisc", "delete", "dev", "eth0", "clsact")

    def listing(self) -> str:
        return self.director.run("ipvsadm", "-ln")

    def rows(self) -> dict[str, Row]:
        """The destinations in `ipvsadm -ln`, by address and port."""
        lines = (line.split() for line in self.listing().splitlines())
        rows = [
            Row(words[1], WORDS[words[2]], *map(int, words[3:6]))
            for words in lines
            if words[:1] == ["->"] and words[2] in WORDS
        ]
        return {row.server: row for row in rows}

    def close(self) -> None:
        for responder in self.responders.values():
            responder.close()
        self.ipvs.close()

    def _set_up_real_servers(self, file: ClusterFile) -> None:
        listed = {server.address for service in file.services for server in service.real_servers}
        for index, machine in enumerate(self._front):
            for own in FRONT.addresses(REAL_SERVER + index):
                if own.ip in listed:
                    plan = resolve_real_server(file, own.ip, ())
                    self._set_up(machine, Family.of(own.ip), plan)

    def _set_up(self, machine: Namespace, family: Family, plan: RealServerPlan) -> None:
        """As `lvsha realserver up --address`, with what each family found kept apart."""
        key = machine.name, family
        if self._plans.get(key) != plan:
            with machine.entered():
                asyncio.run(_up(plan, Path("/run/lvsha", machine.name, family.name)))
            self._plans[key] = plan


async def _up(plan: RealServerPlan, runtime_dir: Path) -> None:
    async with this_machine(writing=True) as machine:
        await agent.up(plan, machine, runtime_dir)


def build(lab: Lab) -> Site:
    machines = cluster(lab, directors=1, real_servers=3, inner=3)
    director = machines.directors[0]
    director.ip(
        add_line(f"{VIP4}/32", "eth0"),
        f"{add_line(f'{VIP6}/128', 'eth0')} preferred_lft 0",
        *(add_line(address, "eth1") for address in INNER.addresses(GATEWAY)),
    )
    director.sysctl("net.ipv4.ip_forward", 1)
    director.sysctl("net.ipv6.conf.all.forwarding", 1)
    machines.client.ip(
        *(add_line(FRONT.addresses(number)[0], "eth0") for number in CLIENTS[1:]),
    )
    return Site(machines)


def servers(forwarding: str, family: Family = Family.IPV4) -> list[str]:
    """Addresses of the three real servers that take packets forwarded so."""
    network = INNER if forwarding == "nat" else FRONT
    pairs = (network.addresses(REAL_SERVER + index) for index in range(3))
    return [str(pair[family is Family.IPV6].ip) for pair in pairs]


def names(forwarding: str) -> list[str]:
    """Their names, as they answer."""
    kind = "nat" if forwarding == "nat" else "rs"
    return [f"{kind}{n}" for n in (1, 2, 3)]


def source(number: int) -> tuple[str, int]:
    """The client's address of that number, any port."""
    return str(FRONT.addresses(number)[0].ip), 0


def even(total: int, of: Iterable[str]) -> Counter[str]:
    shares = list(of)
    return Counter(dict.fromkeys(shares, total // len(shares)))


def _responder(machine: Namespace) -> Responder:
    if machine.name.startswith("rs"):
        return Responder(machine, [PORT], [VIP4, VIP6])
    own = INNER.addresses(REAL_SERVER + int(machine.name[-1]) - 1)
    return Responder(machine, [MAPPED_PORT], [address.ip for address in own])
