"""director.reconciler on the in-memory kernel: the table follows file, health and nobody else."""

from __future__ import annotations

import asyncio
import errno
import json
from dataclasses import replace
from ipaddress import ip_address

import pytest

from lvsha.core.balance import Member, Standing, standing
from lvsha.core.commands import (
    AddDestination,
    AddService,
    DeleteDestination,
    Flush,
    SetDestination,
    place,
)
from lvsha.core.desired import View
from lvsha.core.health import Admin, Measured
from lvsha.core.plan import DirectorPlan, RealServer, VirtualService
from lvsha.core.types import (
    Destination,
    DestinationKey,
    Forwarding,
    OnFailure,
    Protocol,
    Service,
    ServiceKey,
)
from lvsha.director import reconciler as module
from lvsha.director.ownership import Ownership
from lvsha.director.reconciler import Reconciler
from lvsha.errors import KernelError
from lvsha.kernel.memory import MemoryIpvs

KEY = ServiceKey(Protocol.TCP, ip_address("192.0.2.1"), 80)
FOREIGN = ServiceKey(Protocol.TCP, ip_address("192.0.2.9"), 80)


def server(address: str, weight: int = 1) -> RealServer:
    return RealServer(ip_address(address), 80, Forwarding.DR, weight)


A, B = server("10.0.0.1"), server("10.0.0.2")
WEB = VirtualService("web", Service(KEY), (A, B))


def plan(*services: VirtualService) -> DirectorPlan:
    return DirectorPlan("c", "n", services, resync_interval=5.0)


class Recording(MemoryIpvs):
    """The twin, remembering what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = []

    def apply(self, commands):
        self.asked += commands
        return super().apply(commands)


class World:
    """A reconciler, its kernel and what is believed of the servers."""

    def __init__(self, directory) -> None:
        self.ipvs = Recording()
        self.directory = directory
        self.health: dict[RealServer, Measured] = {}
        self.start()

    def start(self) -> None:
        """A new director process on the same kernel and runtime directory."""
        self.table = Reconciler(self.ipvs, Ownership(self.directory), View(self.judge))
        self.ipvs.asked = []

    def judge(self, service: VirtualService, server: RealServer) -> Standing:
        known = Member(self.health.get(server, Measured.UP), Admin.ENABLED, server.weight)
        return standing(service, known, in_tier=True)

    def verdict(self, server: RealServer, measured: Measured, service=WEB) -> None:
        self.health[server] = measured
        self.table.touch(service, server)
        self.table.settle()

    def weights(self, key=KEY) -> dict[str, int]:
        found = self.ipvs.destinations(key)
        return {str(s.destination.key.address): s.destination.weight for s in found}

    def by_hand(self, *commands) -> None:
        assert self.ipvs.apply(commands) == ()
        self.ipvs.asked = []


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_servers_that_are_up_are_in_the_table_with_their_weights(world, events):
    heavy = server("10.0.0.3", weight=7)
    world.table.configure(plan(replace(WEB, real_servers=(A, heavy))))
    assert world.weights() == {"10.0.0.1": 1, "10.0.0.3": 7}
    assert [{k: e[k] for k in ("added", "changed", "removed")} for e in events("ipvs.applied")] == [
        {"added": 3, "changed": 0, "removed": 0}
    ]


def test_a_server_nobody_has_judged_joins_only_after_its_first_good_check(world):
    world.health[A] = Measured.UNKNOWN
    world.table.configure(plan(WEB))
    assert world.weights() == {"10.0.0.2": 1}
    world.verdict(A, Measured.UP)
    assert world.weights() == {"10.0.0.1": 1, "10.0.0.2": 1}


@pytest.mark.parametrize("weight", [0, 1, 5])
def test_a_server_nobody_has_judged_keeps_what_the_kernel_has(world, weight):
    world.by_hand(AddService(WEB.service), AddDestination(KEY, Destination(A.key, weight=weight)))
    world.health[A] = Measured.UNKNOWN
    world.table.configure(plan(WEB))
    assert world.weights()["10.0.0.1"] == weight


def test_a_failed_server_is_removed_and_returns(world):
    world.table.configure(plan(WEB))
    world.verdict(A, Measured.DOWN)
    assert world.weights() == {"10.0.0.2": 1}
    world.verdict(A, Measured.UP)
    assert world.weights() == {"10.0.0.1": 1, "10.0.0.2": 1}


def test_a_failed_server_gets_weight_0_where_the_service_says_quiesce(world):
    quiet = replace(WEB, on_failure=OnFailure.QUIESCE)
    world.table.configure(plan(quiet))
    world.verdict(A, Measured.DOWN, quiet)
    assert world.weights() == {"10.0.0.1": 0, "10.0.0.2": 1}
    world.verdict(A, Measured.UP, quiet)
    assert world.weights() == {"10.0.0.1": 1, "10.0.0.2": 1}


def test_a_verdict_costs_one_command_however_large_the_table(world):
    many = tuple(server(f"10.1.{n // 250}.{n % 250 + 1}") for n in range(1000))
    big = replace(WEB, real_servers=many)
    world.table.configure(plan(big))
    world.ipvs.asked = []
    world.verdict(many[500], Measured.DOWN, big)
    assert world.ipvs.asked == [DeleteDestination(KEY, many[500].key)]


def test_a_restart_sends_nothing_and_claims_what_it_claimed(world):
    world.table.configure(plan(WEB))
    world.start()
    world.health = {A: Measured.UNKNOWN, B: Measured.UNKNOWN}
    world.table.configure(plan(WEB))
    assert world.ipvs.asked == []
    world.table.configure(plan())
    assert world.ipvs.services() == ()


def test_a_service_taken_out_of_the_file_leaves_the_table_and_the_ownership(world):
    world.table.configure(plan(WEB))
    world.table.configure(plan())
    assert world.ipvs.services() == ()
    assert json.loads((world.directory / "owned.json").read_text()) == {"services": []}


def test_a_service_taken_out_while_no_director_ran_leaves_the_table(world):
    world.table.configure(plan(WEB))
    world.start()
    world.table.configure(plan())
    assert world.ipvs.services() == ()


async def test_a_foreign_service_is_left_alone_and_reported_once(world, events):
    world.by_hand(AddService(Service(FOREIGN)), AddDestination(FOREIGN, Destination(A.key)))
    world.table.configure(plan(WEB))
    await world.table.resync()
    await world.table.resync()
    assert world.weights(FOREIGN) == {"10.0.0.1": 1}
    assert [event["service"] for event in events("ipvs.foreign")] == [str(FOREIGN)]
    assert {place(command)[0] for command in world.ipvs.asked} == {KEY}


DRIFTS = {
    "the table is flushed": (Flush(),),
    "a weight is edited": (SetDestination(KEY, Destination(A.key, weight=9)),),
    "a destination is deleted": (DeleteDestination(KEY, A.key),),
    "a destination is added": (
        AddDestination(KEY, Destination(DestinationKey(ip_address("10.0.0.66"), 80))),
    ),
}


@pytest.mark.parametrize("commands", DRIFTS.values(), ids=DRIFTS.keys())
async def test_what_somebody_changed_in_a_service_of_ours_is_repaired_and_logged(
    world, events, commands
):
    world.table.configure(plan(WEB))
    before = world.ipvs.table()
    world.by_hand(*commands)
    await world.table.resync()
    assert world.ipvs.table() == before
    (drift,) = events("ipvs.drift")
    assert drift["service"] == "web"
    assert drift["repaired"]


async def test_a_table_that_is_right_is_not_written_to_and_not_logged(world, events):
    world.table.configure(plan(WEB))
    world.ipvs.asked = []
    await world.table.resync()
    assert world.ipvs.asked == []
    assert events("ipvs.drift") == []


async def test_a_reading_that_failed_costs_nobody_his_place(world, events, monkeypatch):
    """Least of all those of whom nothing is known but that the kernel has them."""
    world.table.configure(plan(WEB))
    world.start()
    world.health = dict.fromkeys((A, B), Measured.UNKNOWN)
    world.table.configure(plan(WEB))
    with monkeypatch.context() as broken:
        broken.setattr(world.ipvs, "read", no_buffers)
        await world.table.resync()
    await world.table.resync()
    assert world.weights() == {"10.0.0.1": 1, "10.0.0.2": 1}
    assert world.ipvs.asked == events("ipvs.drift") == []
    (said,) = events("kernel.error")
    assert said["what"] == "the table could not be read"


def no_buffers(*_, **__):
    raise KernelError(errno.ENOBUFS, "dump")


async def test_what_a_reload_changes_amid_a_resync_is_no_drift(world, events, monkeypatch):
    """What the kernel said of the other services before is out of date then."""
    monkeypatch.setattr(module, "SLICE", 0.0)
    other = replace(WEB, name="other", service=Service(FOREIGN))
    world.table.configure(plan(WEB, other))
    resync = asyncio.create_task(world.table.resync())
    await asyncio.sleep(0)  # the first service is looked at
    swapped = [
        replace(each, service=replace(each.service, scheduler="rr")) for each in (WEB, other)
    ]
    world.ipvs.asked = []
    world.table.configure(plan(*swapped))
    await resync
    assert len(world.ipvs.asked) == 2
    assert events("ipvs.drift") == []
    world.by_hand(DeleteDestination(FOREIGN, A.key))
    await world.table.resync()
    assert len(events("ipvs.drift")) == 1


async def test_a_destination_deleted_by_hand_does_not_return_while_its_server_is_down(world):
    quiet = replace(WEB, on_failure=OnFailure.QUIESCE)
    world.table.configure(plan(quiet))
    world.verdict(A, Measured.DOWN, quiet)
    world.by_hand(SetDestination(KEY, Destination(A.key, weight=1)))
    await world.table.resync()
    assert world.weights()["10.0.0.1"] == 0


async def test_what_the_kernel_refuses_is_said_once_retried_and_holds_nobody_up(world, events):
    odd = server("224.0.0.9")
    world.table.configure(plan(replace(WEB, real_servers=(odd, A))))
    assert world.weights() == {"10.0.0.1": 1}
    words = world.table.refused[KEY][odd.key]
    assert words == "Invalid argument"
    world.ipvs.asked = []
    await world.table.resync()
    await world.table.resync()
    assert [type(command) for command in world.ipvs.asked] == [AddDestination] * 2
    assert [event["server"] for event in events("kernel.error")] == ["224.0.0.9:80"]


async def test_a_refusal_is_forgotten_with_its_server(world):
    odd = server("224.0.0.9")
    world.table.configure(plan(replace(WEB, real_servers=(odd, A))))
    world.table.configure(plan(replace(WEB, real_servers=(A,))))
    await world.table.resync()
    assert world.table.refused == {}


def test_what_is_refused_of_a_service_that_comes_back_is_said_anew(world, events):
    odd = plan(replace(WEB, real_servers=(server("224.0.0.9"), A)))
    world.table.configure(odd)
    world.table.configure(plan())
    assert world.table.refused == {}
    world.table.configure(odd)
    assert len(events("kernel.error")) == 2


def test_a_table_changed_behind_our_back_is_read_again_at_once(world):
    world.table.configure(plan(WEB))
    world.by_hand(DeleteDestination(KEY, A.key))
    world.verdict(A, Measured.DOWN)
    assert world.weights() == {"10.0.0.2": 1}
    world.by_hand(AddDestination(KEY, Destination(A.key, weight=3)))
    world.verdict(A, Measured.UP)
    assert world.weights() == {"10.0.0.1": 1, "10.0.0.2": 1}


@pytest.mark.looptime
async def test_the_table_is_compared_every_resync_interval_and_verdicts_act_at_once(world):
    world.table.configure(plan(WEB))
    job = asyncio.create_task(world.table.run())
    await asyncio.sleep(1)
    world.by_hand(Flush())
    await asyncio.sleep(3.9)
    assert world.ipvs.services() == ()
    await asyncio.sleep(0.2)
    assert world.weights() == {"10.0.0.1": 1, "10.0.0.2": 1}
    world.health[A] = Measured.DOWN
    world.table.touch(WEB, A)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert world.weights() == {"10.0.0.2": 1}
    job.cancel()
