"""Checks through the data path: two directors on the real kernel, servers of both families.

One cluster stands for the whole file; each test leaves it as it found it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lvsha.lab.nodes import LVSHA, DirectorNode, wait_for
from lvsha.lab.responder import Responder
from lvsha.lab.topology import Cluster, Lab, cluster

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(180)]

PACE = "interval: 400ms, timeout: 300ms, rise: 1, fall: 2"
FILE = f"""\
cluster: web
nodes:
  lb1: {{address: 192.168.1.11, interface: eth0, priority: 150}}
  lb2: {{address: 192.168.1.12, interface: eth0, priority: 100}}
virtual_routers:
  - {{name: web, virtual_router_id: 51, addresses: [192.168.1.100/32, 192.168.1.101/32]}}
  - name: web6
    virtual_router_id: 52
    addresses: ["fe80::100/64", "2001:db8:1::100/128", "2001:db8:1::101/128"]
resync_interval: 1s
defaults:
  check: {{type: http, via: vip, {PACE}}}
  on_failure: quiesce
virtual_services:
  - name: dr4
    address: 192.168.1.100
    port: 80
    forwarding: dr
    real_servers: [192.168.1.21, 192.168.1.22]
  - name: dr6
    address: 2001:db8:1::100
    port: 80
    forwarding: dr
    real_servers: ["2001:db8:1::21", "2001:db8:1::22"]
  - name: tun4
    address: 192.168.1.101
    port: 80
    forwarding: tun
    real_servers: [192.168.1.23]
  - name: tun6
    address: 2001:db8:1::101
    port: 80
    forwarding: tun
    real_servers: ["2001:db8:1::23"]
  - name: straight
    address: 192.168.1.100
    port: 81
    forwarding: dr
    check: {{type: tcp, {PACE}, via: server}}
    real_servers: [192.168.1.21]
"""
WAYS = {
    "dr4": ("rs1", "lo", "192.168.1.100/32", "192.168.1.21:80"),
    "dr6": ("rs1", "lo", "2001:db8:1::100/128", "[2001:db8:1::21]:80"),
    "tun4": ("rs3", "tunl0", "192.168.1.101/32", "192.168.1.23:80"),
    "tun6": ("rs3", "ip6tnl0", "2001:db8:1::101/128", "[2001:db8:1::23]:80"),
}


class Pair:
    """Two directors, three real servers."""

    def __init__(self, machines: Cluster, folder: Path) -> None:
        self.file = folder / "web.yaml"
        self.file.write_text(FILE)
        self.folder = folder
        self.machines = {machine.name: machine for machine in machines.real_servers}
        self.servers = [Responder(machine, [80, 81]) for machine in machines.real_servers]
        self.lb1, self.lb2 = (DirectorNode(m, self.file, folder) for m in machines.directors)
        for name in self.machines:
            self.set_up(name)

    def set_up(self, name: str) -> None:
        """`lvsha realserver up` on that machine."""
        machine = self.machines[name]
        argv = [*LVSHA, "realserver", "up", str(self.file)]
        argv += ["--runtime-dir", str(self.folder / f"{name}-run")]
        done = subprocess.run(machine.command(argv), capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")

    @property
    def nodes(self) -> tuple[DirectorNode, DirectorNode]:
        return self.lb1, self.lb2


def servers(node: DirectorNode) -> dict[str, dict]:
    """What a node's status says of each server, by service and name."""
    found = node.status() or {"virtual_services": []}
    return {
        f"{service['name']} {server['server']}": server
        for service in found["virtual_services"]
        for server in service["real_servers"]
    }


def health(node: DirectorNode) -> dict[str, str]:
    return {name: server["health"] for name, server in servers(node).items()}


def all_up(node: DirectorNode) -> bool:
    found = health(node)
    return bool(found) and set(found.values()) == {"UP"}


def is_master(node: DirectorNode) -> bool:
    found = node.status()
    return bool(found) and {router["state"] for router in found["virtual_routers"]} == {"MASTER"}


def settle(pair: Pair) -> None:
    try:
        wait_for("lb1 MASTER", lambda: is_master(pair.lb1), 60)
        for node in pair.nodes:
            wait_for(f"all up on {node.machine.name}", lambda node=node: all_up(node), 30)
    except TimeoutError as error:
        told = {node.machine.name: servers(node) for node in pair.nodes}
        raise AssertionError(f"{error}: {told}") from None


@pytest.fixture(scope="module")
def standing(tmp_path_factory) -> Iterator[Pair]:
    with Lab() as lab:
        pair = Pair(cluster(lab), tmp_path_factory.mktemp("via"))
        for node in pair.nodes:
            node.start()
        yield pair
        for node in pair.nodes:
            node.kill_processes()
        for responder in pair.servers:
            responder.close()


@pytest.fixture
def pair(standing: Pair) -> Pair:
    """The cluster when it has settled: lb1 is master, everything is up."""
    settle(standing)
    return standing


def test_healthy_servers_are_up_through_the_vip_on_master_and_backup(pair):
    for node in pair.nodes:
        for name, server in servers(node).items():
            wanted = "HTTP 200 at the virtual address" if "straight" not in name else "connected"
            assert server["message"].startswith(wanted), name


@pytest.mark.parametrize("way", WAYS)
def test_a_vip_missing_on_a_server_is_found_on_both_nodes_until_it_is_back(pair, way):
    machine, device, address, server = WAYS[way]
    pair.machines[machine].ip(f"address delete {address} dev {device}")
    name = f"{way} {server}"
    for node in pair.nodes:
        wait_for("the server DOWN", lambda node=node: health(node)[name] == "DOWN", 15)
        told = servers(node)[name]["message"]
        assert told.startswith(f"no answer at the virtual address {name_of(address)}")
        assert told.endswith("while connecting; is the address on its loopback?")
        others = {each for each, state in health(node).items() if state != "UP"}
        assert others == {name}
    pair.set_up(machine)
    for node in pair.nodes:
        wait_for("the server UP", lambda node=node: health(node)[name] == "UP", 15)


def name_of(address: str) -> str:
    bare = address.partition("/")[0]
    return f"[{bare}]:80" if ":" in bare else f"{bare}:80"
