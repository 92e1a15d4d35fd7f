"""Checks through the data path: two directors on the real kernel, servers of both families.

One cluster stands for the whole file; each test leaves it as it found it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from lvsha.config.resolve import load, resolve_real_server
from lvsha.core.plan import RealServerPlan
from lvsha.lab.nodes import DirectorNode, wait_for
from lvsha.lab.responder import Manner, Responder
from lvsha.lab.topology import FRONT, REAL_SERVER, VIRTUAL, Cluster, Lab, cluster
from lvsha.realserver import agent
from lvsha.realserver.machine import this_machine

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(180)]

PACE = "interval: 600ms, timeout: 550ms, rise: 1, fall: 2"
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
  - name: udp4
    protocol: udp
    address: 192.168.1.100
    port: 80
    forwarding: dr
    check: {{type: udp, via: vip, send: who, expect: rs1, {PACE}}}
    real_servers: [192.168.1.21]
  - name: straight
    address: 192.168.1.100
    port: 81
    forwarding: dr
    check: {{type: tcp, {PACE}, via: server}}
    real_servers: [192.168.1.21]
"""
HTTP = "HTTP 200 at the virtual address in "
FOUND = {"udp4": "a reply of 3 bytes at the virtual address in ", "straight": "connected in "}
AT_RS1 = {"dr4 192.168.1.21:80", "udp4 192.168.1.21:80"}
"""Whom a fault of the address 192.168.1.100 on rs1 brings down."""
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
        vip = FRONT.addresses(VIRTUAL)[0].ip
        self.servers = [Responder(each, [80, 81], [vip]) for each in machines.real_servers]
        for machine in machines.directors:
            machine.sysctl("net.ipv4.conf.all.rp_filter", 1)
        self.lb1, self.lb2 = (DirectorNode(m, self.file, folder) for m in machines.directors)
        for name in self.machines:
            self.set_up(name)

    def set_up(self, name: str) -> None:
        """As `lvsha realserver up` does on that machine."""
        number = REAL_SERVER + int(name.removeprefix("rs")) - 1
        own = [address.ip for address in FRONT.addresses(number)]
        plan = resolve_real_server(load(self.file), None, own)
        with self.machines[name].entered():
            asyncio.run(_up(plan, self.folder / f"{name}-run"))

    @property
    def nodes(self) -> tuple[DirectorNode, DirectorNode]:
        return self.lb1, self.lb2


async def _up(plan: RealServerPlan, runtime_dir: Path) -> None:
    async with this_machine(writing=True) as machine:
        await agent.up(plan, machine, runtime_dir)


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
        told = [
            f"{name} on {node.machine.name}: {server['message']}"
            for node in pair.nodes
            for name, server in servers(node).items()
            if server["health"] != "UP"
        ]
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
            service, _ = name.split()
            assert server["message"].startswith(FOUND.get(service, HTTP)), name


@pytest.mark.parametrize("way", WAYS)
def test_a_vip_missing_on_a_server_is_found_on_both_nodes_until_it_is_back(pair, way):
    machine, device, address, server = WAYS[way]
    pair.machines[machine].ip(f"address delete {address} dev {device}")
    name = f"{way} {server}"
    for node in pair.nodes:
        told = down(node, name)
        assert told.startswith(f"no answer at the virtual address {name_of(address)}")
        assert told.endswith("while connecting; is the address on its loopback?")
        assert only_down(node) - {"udp4 192.168.1.21:80"} == {name}
    pair.set_up(machine)
    for node in pair.nodes:
        wait_for("the server UP", lambda node=node: health(node)[name] == "UP", 15)


def test_a_server_that_answers_arp_for_the_vip_is_found_until_it_is_silent(pair):
    pair.machines["rs1"].sysctl("net.ipv4.conf.all.arp_ignore", 0)
    for node in pair.nodes:
        told = down(node, "dr4 192.168.1.21:80")
        assert told.startswith("answers ARP for 192.168.1.100, which only the master may")
        wait_for("both DOWN", lambda node=node: only_down(node) == AT_RS1, 15)
    pair.set_up("rs1")


def test_a_vip_on_a_servers_interface_is_found_as_it_answers_its_neighbours(pair):
    pair.machines["rs1"].ip("address add 2001:db8:1::100/128 dev eth0 nodad")
    for node in pair.nodes:
        told = down(node, "dr6 [2001:db8:1::21]:80")
        assert told.startswith("answers neighbour solicitations for 2001:db8:1::100, which only")
        assert only_down(node) == {"dr6 [2001:db8:1::21]:80"}
    pair.machines["rs1"].ip("address delete 2001:db8:1::100/128 dev eth0")


def test_a_server_that_passes_packets_on_does_not_hide_its_missing_vip(pair):
    rs1 = pair.machines["rs1"]
    rs1.sysctl("net.ipv4.ip_forward", 1)
    rs1.ip("address delete 192.168.1.100/32 dev lo")
    try:
        for node in pair.nodes:
            told = down(node, "dr4 192.168.1.21:80")
            assert told.endswith("while connecting; is the address on its loopback?")
            wait_for("both DOWN", lambda node=node: only_down(node) == AT_RS1, 15)
    finally:
        rs1.sysctl("net.ipv4.ip_forward", 0)
        pair.set_up("rs1")


def test_a_dead_program_is_told_from_a_missing_vip(pair):
    pair.servers[1].become(Manner.REFUSE)
    for node in pair.nodes:
        wanted = "at the virtual address 192.168.1.100:80 by way of this server: connection refused"
        assert down(node, "dr4 192.168.1.22:80") == wanted
    pair.servers[1].become(Manner.ANSWER)


def test_detours_are_in_the_table_and_no_service_of_the_status(pair):
    for node in pair.nodes:
        assert len(detours(node)) == 6
        names = [service["name"] for service in node.status()["virtual_services"]]
        assert names == ["dr4", "dr6", "tun4", "tun6", "udp4", "straight"]
    assert pair.lb1.command("plan").stdout == ""


def test_a_detour_taken_out_by_hand_comes_back(pair):
    (mark,) = [mark for mark, listed in detours(pair.lb2).items() if listed == ["192.168.1.21:0"]]
    pair.lb2.machine.run("ipvsadm", "-D", "-f", mark)
    wait_for("the detour back", lambda: len(detours(pair.lb2)) == 6, 15)
    assert "detour by" in pair.lb2.events("ipvs.drift")[-1]["service"]


def test_the_next_director_process_takes_the_detours_as_they_are(pair):
    settle(pair)
    applied = len(pair.lb2.events("ipvs.applied"))
    before = pair.lb2.status()["pids"]["director"]
    os.kill(before, signal.SIGKILL)
    wait_for("another director", lambda: is_another(pair.lb2, before), 30)
    wait_for("all up again", lambda: all_up(pair.lb2), 30)
    assert len(pair.lb2.events("ipvs.applied")) == applied


@pytest.mark.long
def test_a_failover_there_and_back_takes_nobody_out(pair):
    before = falls(pair.lb1), falls(pair.lb2)
    pair.lb1.stop()
    wait_for("lb2 MASTER", lambda: is_master(pair.lb2), 30)
    for way, (*_, server) in WAYS.items():
        rounds(pair.lb2, f"{way} {server}")
    assert all_up(pair.lb2)
    pair.lb1.start()
    settle(pair)
    for way, (*_, server) in WAYS.items():
        rounds(pair.lb2, f"{way} {server}")
    assert all_up(pair.lb2)
    assert (falls(pair.lb1), falls(pair.lb2)) == before


def test_a_file_without_such_checks_takes_the_detours_away(pair):
    pair.file.write_text(FILE.replace("via: vip, ", ""))
    assert pair.lb1.command("reload").returncode == 0
    assert detours(pair.lb1) == {}
    pair.file.write_text(FILE)
    assert pair.lb1.command("reload").returncode == 0
    assert len(detours(pair.lb1)) == 6


def down(node: DirectorNode, name: str) -> str:
    """The message of a server, once it is DOWN."""
    wait_for(f"{name} DOWN", lambda: health(node)[name] == "DOWN", 15)
    return servers(node)[name]["message"]


def only_down(node: DirectorNode) -> set[str]:
    return {name for name, found in health(node).items() if found != "UP"}


def detours(node: DirectorNode) -> dict[str, list[str]]:
    """The destinations of services by firewall mark, as the real ipvsadm lists them."""
    found: dict[str, list[str]] = {}
    mark = ""
    for line in node.machine.run("ipvsadm", "-ln").splitlines():
        words = line.split()
        if words[0] == "->":
            if mark and words[1] != "RemoteAddress:Port":
                found[mark].append(words[1])
        else:
            mark = words[1] if words[0] == "FWM" else ""
            if mark:
                found[mark] = []
    return found


def falls(node: DirectorNode) -> int:
    return sum(event["new"] == "DOWN" for event in node.events("health.changed"))


def rounds(node: DirectorNode, name: str, count: int = 6) -> None:
    """Wait for that many probes of a server: each message has its own time."""
    seen: set[str] = set()

    def look() -> bool:
        seen.add(servers(node)[name]["message"])
        return len(seen) >= count

    wait_for(f"{count} probes of {name}", look, 60)


def is_another(node: DirectorNode, pid: int) -> bool:
    found = node.status()
    return bool(found) and found["pids"]["director"] not in (pid, 0)


def name_of(address: str) -> str:
    bare = address.partition("/")[0]
    return f"[{bare}]:80" if ":" in bare else f"{bare}:80"
