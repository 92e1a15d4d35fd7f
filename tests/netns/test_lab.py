"""The lab itself: what it builds answers, what it ends is gone."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path

import pytest

from lvsha.core.types import Protocol
from lvsha.errors import HostError, ProbeError
from lvsha.lab.client import Client, Outcome, Steady, Target
from lvsha.lab.responder import Manner, Responder
from lvsha.lab.topology import FRONT, INNER, REAL_SERVER, Cluster, Lab, cluster

pytestmark = pytest.mark.netns

SERVER4, SERVER6 = (each.ip for each in FRONT.addresses(REAL_SERVER))


@pytest.fixture(scope="module")
def machines() -> Iterator[Cluster]:
    with Lab() as lab:
        yield cluster(lab, directors=1, real_servers=1, inner=1)


@pytest.fixture
def responder(machines: Cluster) -> Iterator[Responder]:
    with closing(Responder(machines.real_servers[0], [80], [SERVER4, SERVER6])) as made:
        yield made


@pytest.fixture
def client(machines: Cluster) -> Client:
    return Client(machines.client, timeout=0.5)


@pytest.mark.parametrize("protocol", [Protocol.TCP, Protocol.UDP])
@pytest.mark.parametrize("address", [SERVER4, SERVER6])
def test_a_real_server_says_its_name(
    responder: Responder, client: Client, address: object, protocol: Protocol
) -> None:
    target = Target(ip_address(str(address)), 80, protocol)
    assert client.count(target, 3) == {"rs1": 3}
    assert responder.answered == 3


def test_a_real_server_can_refuse_and_listen_again(responder: Responder, client: Client) -> None:
    target = Target(SERVER4, 80)
    responder.become(Manner.REFUSE)
    with pytest.raises(ProbeError, match="refused"):
        client.ask(target)
    responder.become(Manner.ANSWER)
    assert client.ask(target) == "rs1"


def test_a_real_server_can_hang(responder: Responder, client: Client) -> None:
    responder.become(Manner.HANG)
    with pytest.raises(ProbeError, match="timed out"):
        client.ask(Target(SERVER4, 80))


def test_a_held_conversation_goes_on(responder: Responder, client: Client) -> None:
    with closing(client.hold(Target(SERVER4, 80))) as conversation:
        assert [conversation.ask(), conversation.ask()] == ["rs1", "rs1"]


def test_a_steady_stream_tells_every_outcome(responder: Responder, machines: Cluster) -> None:
    """What is served by name, what fails with the reason."""
    outcomes: list[Outcome] = []
    steady = Steady(machines.client, Target(SERVER4, 80), 50, 1, outcomes.append)
    while not outcomes:
        time.sleep(0.01)
    responder.become(Manner.ERROR)
    while outcomes[-1].server:
        time.sleep(0.01)
    steady.stop()
    assert outcomes[0].server == "rs1"
    assert "500" in outcomes[-1].error


def test_machines_behind_the_directors_leave_by_their_gateway(machines: Cluster) -> None:
    (hidden,) = [machine for machine in machines.real_servers if machine.name == "nat1"]
    route = hidden.run("ip", "route", "get", "192.168.1.2")
    assert f"via {INNER.ipv4}1 dev eth0" in route


def test_killing_a_machine_ends_everything_in_it(machines: Cluster) -> None:
    machine = machines.directors[0]
    process = machine.start("sh", "-c", "sleep 100 & sleep 100")
    while len(machine.processes()) < 3:
        time.sleep(0.01)
    machine.kill()
    assert process.returncode == -9
    assert machine.processes() == []


def test_closing_a_lab_leaves_nothing_behind() -> None:
    """Neither its namespaces nor what ran in them."""
    with Lab() as lab:
        (machine,) = lab.add("alone")
        process = machine.start("sleep", "100")
        prefix = lab.prefix
    assert process.returncode == -9
    assert not [path for path in Path("/run/netns").iterdir() if path.name.startswith(prefix)]


def test_a_program_that_fails_is_quoted(machines: Cluster) -> None:
    with pytest.raises(HostError, match=r"ip link show nowhere.*does not exist"):
        machines.client.run("ip", "link", "show", "nowhere")


def test_two_labs_stand_side_by_side(machines: Cluster) -> None:
    """The same addresses in both do not meet."""
    with Lab() as lab:
        other = cluster(lab, directors=0, real_servers=1)
        with closing(Responder(other.real_servers[0], [80])):
            assert Client(other.client).ask(Target(SERVER4, 80)) == "rs1"
            with pytest.raises(ProbeError, match="refused"):
                Client(machines.client).ask(Target(SERVER4, 80))
        assert subprocess.run(["ip", "netns"], check=True, capture_output=True).stdout
