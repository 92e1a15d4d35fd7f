"""Directors on one bridge, each `lvsha run` with a file of its own, and what their routers do."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lvsha.lab.nodes import LVSHA, DirectorNode, wait_for
from lvsha.lab.topology import DIRECTOR, FRONT, INNER, Lab, Namespace
from tests.network import run

PATIENCE = 45.0
"""Seconds after which what should happen is taken not to happen."""

HEAD = """\
cluster: web
nodes:
  lb1: {address: 192.168.1.11, interface: eth0, priority: 150}
  lb2: {address: 192.168.1.12, interface: eth0, priority: 100}
virtual_routers:
"""


def vip(number: int) -> str:
    """The address of the virtual router with this number in `router`."""
    return f"192.168.1.{100 + number}"


def router(name: str, number: int, keys: str = "", *, interval: str = "100ms") -> str:
    """A line of the file; `keys` are further ones."""
    return (
        f"  - {{name: {name}, virtual_router_id: {number}, addresses: [{vip(number)}], "
        f"advertisement_interval: {interval}{', ' if keys else ''}{keys}}}\n"
    )


class Node(DirectorNode):
    """A director whose file says NODE and FOLDER where its own name and the folder are meant."""

    def __init__(self, machine: Namespace, folder: Path) -> None:
        super().__init__(machine, folder / f"{machine.name}.yaml", folder)
        self.folder = folder

    def write(self, text: str) -> None:
        name, folder = self.machine.name, str(self.folder)
        self.file.write_text(text.replace("NODE", name).replace("FOLDER", folder))

    def reload(self, text: str) -> None:
        self.write(text)
        done = self.command("reload")
        assert (done.returncode, done.stderr) == (0, "")

    def answers(self) -> None:
        """It runs; the test fails with its own words where it does not."""
        assert self._process is not None
        run = self._process
        eventually("an answer, or its end", lambda: self.status() or run.poll() is not None)
        assert run.poll() is None, self.log.read_text()

    def fail_over(self, name: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of `lvsha failover NAME` here."""
        words = (*LVSHA, "failover", name, *self._words)
        done = subprocess.run(
            self.machine.command(words), capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, done.stdout, done.stderr

    def router(self, name: str) -> dict[str, Any]:
        """Its part of the status, empty while nobody answers."""
        found = (self.status() or {}).get("virtual_routers", ())
        return next((each for each in found if each["name"] == name), {})

    def state(self, name: str) -> str | None:
        return self.router(name).get("state")

    def count(self, name: str, cause: str = "received") -> int:
        """One of its counters."""
        return self.router(name).get("counters", {}).get(cause, 0)

    def hears_more(self, name: str, packets: int = 20, cause: str = "received") -> None:
        """It waits until that many more have come."""
        before = self.count(name, cause)
        eventually(f"{packets} more", lambda: self.count(name, cause) >= before + packets)

    def pids(self) -> dict[str, int]:
        return (self.status() or {}).get("pids", {})

    def told(self, event: str, **fields: object) -> list[dict[str, Any]]:
        """Lines of the log of this event with these fields."""
        return [line for line in self.events(event) if fields.items() <= line.items()]

    def holds(self, address: str, interface: str = "eth0") -> bool:
        return f" {address}/" in self.machine.run("ip", "-o", "address", "show", "dev", interface)


class Site:
    """`lb1`, `lb2`… and the bridge between their eth0, and eth1 where there is an inner one."""

    def __init__(self, lab: Lab, nodes: tuple[Node, ...], folder: Path) -> None:
        self.lab = lab
        self.nodes = nodes
        self.folder = folder

    @property
    def pair(self) -> tuple[Node, Node]:
        first, second = self.nodes[:2]
        return first, second

    def start(self, text: str) -> None:
        """All of them with this file."""
        for node in self.nodes:
            node.write(text)
            node.start()
        for node in self.nodes:
            node.answers()

    def stop(self) -> None:
        for node in self.nodes:
            if node.machine.processes():
                assert node.stop() == 0

    def part(self, *nodes: Node, apart: bool = True, network: str = "front") -> None:
        """Isolated ports of a bridge do not talk to each other: no carrier is lost."""
        bridge = self.lab.namespaces[network].path.name
        for node in nodes:
            run(f"bridge -n {bridge} link set dev {node.machine.name} "
                f"isolated {'on' if apart else 'off'}")  # fmt: skip


@contextmanager
def site(directors: int = 2, *, inner: bool = False) -> Iterator[Site]:
    """A lab of directors; their folder is open to everybody: what they run is nobody's."""
    folder = Path(tempfile.mkdtemp(prefix="lvsha-pair-"))
    folder.chmod(0o755)
    try:
        with Lab() as lab:
            machines = lab.add(*(f"lb{n}" for n in range(1, directors + 1)))
            for machine in machines:  # a link that goes down takes their IPv6 addresses along
                machine.sysctl("net.ipv6.conf.all.keep_addr_on_down", 1)
            for network in (FRONT, INNER) if inner else (FRONT,):
                lab.bridge(network)
                plugs = [(machine, DIRECTOR + n) for n, machine in enumerate(machines)]
                lab.plug(network, plugs)
            yield Site(lab, tuple(Node(machine, folder) for machine in machines), folder)
    finally:
        shutil.rmtree(folder)


def eventually(what: str, holds: Callable[[], Any]) -> Any:
    """What `holds` returns once it is true."""
    return wait_for(what, holds, PATIENCE)


def one_master(name: str, master: Node, *others: Node) -> None:
    """In the end `master` is, and nobody else."""
    eventually(f"{name}: MASTER on {master.machine.name}", lambda: master.state(name) == "MASTER")
    for other in others:
        eventually(f"{name}: no master on {other.machine.name}",
                   lambda other=other: other.state(name) in ("BACKUP", "FAULT"))  # fmt: skip
