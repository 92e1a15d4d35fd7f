"""A pair of directors as an operator runs them, on the real kernel, with traffic through it.

One cluster stands for the whole file; each test leaves it as it found it, and the tests that
take nodes down come last.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lvsha.errors import ProbeError
from lvsha.lab.client import Client, Target
from lvsha.lab.nodes import LVSHA, DirectorNode, wait_for
from lvsha.lab.responder import Manner, Responder
from lvsha.lab.topology import FRONT, VIRTUAL, Cluster, Lab, cluster

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(180)]

VIP = FRONT.addresses(VIRTUAL)[0].ip
WEB = Target(VIP, 80)
FILE = """\
cluster: web
nodes:
  lb1: {address: 192.168.1.11, interface: eth0, priority: 150}
  lb2: {address: 192.168.1.12, interface: eth0, priority: 100}
virtual_routers:
  - {name: web, virtual_router_id: 51, addresses: [192.168.1.100/32]}
resync_interval: 2s
virtual_services:
  - name: http
    address: 192.168.1.100
    port: 80
    scheduler: rr
    forwarding: dr
    check: {type: http, path: /, interval: 1s, timeout: 900ms, rise: 2, fall: 2}
    real_servers: [192.168.1.21, 192.168.1.22, 192.168.1.23]
"""


class Pair:
    """Two directors, three real servers, a client."""

    def __init__(self, machines: Cluster, folder: Path) -> None:
        self.file = folder / "web.yaml"
        self.file.write_text(FILE)
        self.client = Client(machines.client, timeout=2)
        self.servers = {machine.name: Responder(machine, [80]) for machine in machines.real_servers}
        self.lb1, self.lb2 = (DirectorNode(m, self.file, folder) for m in machines.directors)
        for machine in machines.real_servers:
            self._set_up(machine, folder)

    def _set_up(self, machine, folder: Path) -> None:
        runtime = str(folder / f"{machine.name}-run")
        argv = [*LVSHA, "realserver", "up", str(self.file), "--runtime-dir", runtime]
        done = subprocess.run(machine.command(argv), capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")

    def start(self, node: DirectorNode) -> None:
        node.start()
        wait_for(f"{node.machine.name} ready", lambda: is_ready(node), 90)

    def master(self, node: DirectorNode) -> None:
        wait_for(f"{node.machine.name} MASTER", lambda: state(node) == "MASTER", 30)

    def answers(self, requests: int = 6) -> set[str]:
        return set(self.client.count(WEB, requests))


def is_ready(node: DirectorNode) -> bool:
    found = node.status()
    return bool(found and found["ready"])


def state(node: DirectorNode) -> str | None:
    found = node.status()
    return found["virtual_routers"][0]["state"] if found and found["virtual_routers"] else None


def listing(node: DirectorNode) -> str:
    return node.machine.run("ipvsadm", "-ln")


def weights(node: DirectorNode) -> dict[str, int]:
    """Weight by server, as the real ipvsadm lists the service."""
    lines = [line.split() for line in listing(node).splitlines()]
    return {words[1]: int(words[3]) for words in lines if words[:1] == ["->"] and "Route" in words}


def shape(node: DirectorNode) -> list[list[str]]:
    """The listing without its connection counts."""
    return [line.split()[:4] for line in listing(node).splitlines()]


ALL = {"192.168.1.21:80": 1, "192.168.1.22:80": 1, "192.168.1.23:80": 1}


@pytest.fixture(scope="module")
def standing(tmp_path_factory) -> Iterator[Pair]:
    with Lab() as lab:
        pair = Pair(cluster(lab), tmp_path_factory.mktemp("cluster"))
        pair.lb1.start()
        pair.lb2.start()
        for node in (pair.lb1, pair.lb2):
            wait_for(f"{node.machine.name} ready", lambda node=node: is_ready(node), 90)
        yield pair
        for node in (pair.lb1, pair.lb2):
            node.kill_processes()
        for responder in pair.servers.values():
            responder.close()


@pytest.fixture
def pair(standing: Pair) -> Pair:
    """The cluster when it has settled: lb1 is master, everything is up."""
    standing.master(standing.lb1)
    for node in (standing.lb1, standing.lb2):
        wait_for("all servers in the table", lambda node=node: weights(node) == ALL, 20)
    return standing


def test_the_higher_priority_holds_the_address_and_every_server_gets_its_share(pair):
    assert pair.lb1.has(str(VIP))
    assert not pair.lb2.has(str(VIP))
    assert set(pair.client.count(WEB, 9).values()) == {3}


def test_both_nodes_have_the_table_and_plan_has_nothing_to_do(pair):
    for node in (pair.lb1, pair.lb2):
        done = node.command("plan")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_status_tells_of_a_healthy_pair(pair):
    done = pair.lb1.command("status")
    assert done.returncode == 0, done.stdout
    assert "MASTER" in done.stdout
    assert "HTTP 200" in done.stdout
    backup = pair.lb2.status()["virtual_routers"][0]
    assert (backup["state"], backup["master"]) == ("BACKUP", "192.168.1.11")


def test_a_dead_server_is_taken_out_gets_no_new_connection_and_returns(pair):
    pair.servers["rs1"].become(Manner.REFUSE)
    wait_for("rs1 out", lambda: "192.168.1.21:80" not in weights(pair.lb1), 15)
    assert pair.answers() == {"rs2", "rs3"}
    assert pair.lb1.command("status").returncode == 3
    pair.servers["rs1"].become(Manner.ANSWER)
    wait_for("rs1 back", lambda: weights(pair.lb1) == ALL, 15)
    assert pair.answers() == {"rs1", "rs2", "rs3"}
    changes = [(e["old"], e["new"]) for e in pair.lb1.events("health.changed")][-2:]
    assert changes == [("UP", "DOWN"), ("DOWN", "UP")]
    assert pair.lb1.events("health.changed")[-2]["reason"] == "connection refused"


@pytest.mark.parametrize(
    "words",
    [
        ["-C"],
        ["-e", "-t", "192.168.1.100:80", "-r", "192.168.1.21:80", "-g", "-w", "5"],
        ["-d", "-t", "192.168.1.100:80", "-r", "192.168.1.22:80"],
        ["-a", "-t", "192.168.1.100:80", "-r", "192.168.1.66:80", "-g"],
        ["-E", "-t", "192.168.1.100:80", "-s", "wlc"],
    ],
    ids=["flush", "weight", "delete", "add", "scheduler"],
)
def test_what_somebody_does_with_ipvsadm_is_repaired_and_logged(pair, words):
    before, told = shape(pair.lb1), len(pair.lb1.events("ipvs.drift"))
    pair.lb1.machine.run("ipvsadm", *words)
    wait_for("changed or repaired", lambda: pair.lb1.events("ipvs.drift")[told:], 10)
    assert shape(pair.lb1) == before
    assert len(pair.lb1.events("ipvs.drift")) == told + 1


def test_a_foreign_service_is_left_alone_and_reported_once(pair):
    pair.lb1.machine.run("ipvsadm", "-A", "-t", "192.168.1.200:99", "-s", "rr")
    wait_for("reported", lambda: pair.lb1.events("ipvs.foreign"), 10)
    pair.lb1.machine.run(
        "ipvsadm", "-e", *["-t", "192.168.1.100:80", "-r", "192.168.1.21:80", "-g", "-w", "3"]
    )
    wait_for("a resync", lambda: weights(pair.lb1) == ALL, 10)
    assert "192.168.1.200:99" in listing(pair.lb1)
    assert len(pair.lb1.events("ipvs.foreign")) == 1
    pair.lb1.machine.run("ipvsadm", "-D", "-t", "192.168.1.200:99")


def test_killing_the_director_process_changes_nothing_and_breaks_no_connection(pair):
    held = pair.client.hold(WEB)
    server = held.ask()
    before = shape(pair.lb1)
    old = pair.lb1.status()["pids"]
    applied = len(pair.lb1.events("ipvs.applied"))
    subprocess.run(["kill", "-9", str(old["director"])], check=True)
    assert pair.answers() == {"rs1", "rs2", "rs3"}
    wait_for("a new director", lambda: is_ready(pair.lb1), 60)
    new = pair.lb1.status()["pids"]
    assert new["director"] != old["director"]
    assert (new["supervisor"], new["vrrp"]) == (old["supervisor"], old["vrrp"])
    assert pair.lb1.command("plan").returncode == 0
    assert shape(pair.lb1) == before
    assert len(pair.lb1.events("ipvs.applied")) == applied
    assert held.ask() == server
    held.close()
    assert pair.lb1.events("child.died")[-1]["process"] == "director"


def test_a_bad_file_changes_nothing_and_a_good_one_takes_over(pair):
    pair.file.write_text(FILE.replace("scheduler: rr", "scheduler: rrr"))
    done = pair.lb1.command("reload")
    assert done.returncode == 2
    assert "virtual_services[0].scheduler" in done.stderr
    wait_for("said", lambda: pair.lb1.events("config.rejected"), 10)
    assert " rr" in listing(pair.lb1)
    pair.file.write_text(FILE.replace("scheduler: rr", "scheduler: wrr"))
    assert pair.lb1.command("reload").returncode == 0
    assert " wrr" in listing(pair.lb1)
    pair.file.write_text(FILE)
    assert pair.lb1.command("reload").returncode == 0
    assert state(pair.lb1) == "MASTER"


def test_a_server_the_kernel_refuses_says_so_and_the_others_are_served(pair):
    odd = FILE.replace("[192.168.1.21,", "[{address: 224.0.0.9, check: none}, 192.168.1.21,")
    pair.file.write_text(odd)
    assert pair.lb1.command("reload").returncode == 0
    servers = pair.lb1.status()["virtual_services"][0]["real_servers"]
    assert servers[0]["kernel_error"]
    assert all(server["kernel_error"] is None for server in servers[1:])
    (*_, last) = wait_for("said", lambda: pair.lb1.events("kernel.error"), 10)
    assert last["server"] == "224.0.0.9:80"
    assert weights(pair.lb1) == ALL
    assert pair.answers() == {"rs1", "rs2", "rs3"}
    pair.file.write_text(FILE)
    assert pair.lb1.command("reload").returncode == 0


def test_a_node_that_dies_loses_the_address_to_its_peer_and_takes_it_back(pair):
    pair.lb1.die()
    wait_for("served again", lambda: served(pair), 20)
    assert state(pair.lb2) == "MASTER"
    assert pair.answers() == {"rs1", "rs2", "rs3"}
    pair.lb1.machine.link(up=True)
    pair.start(pair.lb1)
    pair.master(pair.lb1)
    wait_for("lb2 BACKUP", lambda: state(pair.lb2) == "BACKUP", 10)
    assert not pair.lb2.has(str(VIP))
    assert pair.answers() == {"rs1", "rs2", "rs3"}


def test_processes_killed_with_the_link_up_are_cleaned_up_after_by_the_next_start(pair):
    pair.lb1.kill_processes()
    assert pair.lb1.has(str(VIP))
    wait_for("lb2 MASTER", lambda: state(pair.lb2) == "MASTER", 20)
    removed = len(pair.lb1.events("vrrp.state"))
    pair.start(pair.lb1)
    (first, *_) = wait_for("lb1's router", lambda: pair.lb1.events("vrrp.state")[removed:])
    assert first["new"] == "BACKUP"
    pair.master(pair.lb1)
    assert pair.answers() == {"rs1", "rs2", "rs3"}


def test_a_graceful_stop_hands_the_address_over_and_leaves_the_table(pair):
    before = weights(pair.lb1)
    assert pair.lb1.stop() == 0
    wait_for("lb2 MASTER", lambda: state(pair.lb2) == "MASTER", 5)
    assert not pair.lb1.has(str(VIP))
    assert weights(pair.lb1) == before
    assert pair.answers() == {"rs1", "rs2", "rs3"}
    pair.start(pair.lb1)


def served(pair: Pair) -> bool:
    try:
        return bool(pair.client.ask(WEB))
    except ProbeError:
        return False
