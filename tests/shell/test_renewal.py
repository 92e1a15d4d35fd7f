"""A plan after another: what does not change is left in peace, what does is done in steps."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address

import pytest

from lvsha.core.balance import Role
from lvsha.core.commands import AddDestination, AddService
from lvsha.core.health import Health
from lvsha.core.plan import DirectorPlan
from lvsha.core.types import Destination, Protocol, Service, ServiceKey
from lvsha.director.balancer import Balancer
from lvsha.director.board import Board
from lvsha.director.ownership import Ownership
from lvsha.director.reconciler import Reconciler
from lvsha.director.renewal import renewed
from tests.shell.balancer_world import (
    DOWN,
    KEY,
    UNKNOWN,
    UP,
    WEB,
    A,
    B,
    Recording,
    World,
    up,
)

pytestmark = pytest.mark.looptime


def many(count: int, weight: int = 1) -> tuple:
    """Services of two real servers each."""
    keys = (ServiceKey(Protocol.TCP, ip_address("192.0.2.9"), port) for port in range(1, count + 1))
    servers = tuple(replace(each, weight=weight) for each in (A, B))
    return tuple(
        replace(WEB, name=f"s{key.port}", service=Service(key), real_servers=servers)
        for key in keys
    )


async def test_services_of_a_new_plan_that_are_equal_are_those_in_force():
    before = DirectorPlan("c", "n", many(3))
    heavier, other = many(3, weight=5)[1], replace(many(4)[3], quorum=2)
    told = DirectorPlan("c", "n", (other, many(1)[0], heavier), resync_interval=9.0)
    plan = await renewed(before, told)
    assert plan == told
    assert plan.services[1] is before.services[0]
    assert plan.services[2] is heavier


async def test_a_plan_of_many_services_is_put_in_the_table_in_steps_each_whole(tmp_path):
    world = World(tmp_path)
    world.services = many(600)
    plan = DirectorPlan("c", "n", world.services)
    world.measured = UP
    world.board.update(plan.services)
    world.balancer.configure(plan)
    steps = 0
    for _ in world.table.configuring(plan):
        steps += 1
        assert world.table.known == world.ipvs.table()
        assert all(len(entry.destinations) == 2 for entry in world.table.known.values())
    assert steps > 1
    assert len(world.ipvs.table()) == 600


async def test_a_verdict_between_two_steps_of_a_plan_holds(tmp_path):
    world = World(tmp_path, *many(600))
    world.start(UP)
    world.services = many(600, weight=7)
    plan = DirectorPlan("c", "n", world.services)
    world.board.update(plan.services)
    world.balancer.configure(plan)
    steps = world.table.configuring(plan)
    next(steps)
    world.verdict(DOWN, *world.services[0].real_servers[:1])
    for _ in steps:
        continue
    for entry in world.ipvs.table().values():
        assert [(d.key, d.weight) for d in entry.destinations.values()] == [(B.key, 7)]


async def test_a_reload_without_changes_sends_nothing_and_forgets_nothing(tmp_path):
    world = up(tmp_path, WEB)
    world.verdict(DOWN, A)
    world.order("weight", B, 9)
    world.ipvs.asked = []
    world.configure(WEB)
    assert (world.ipvs.asked, world.weights()) == ([], {2: 9})
    world.verdict(UP, A)
    assert world.weights() == {1: 1, 2: 9}


async def test_a_drain_goes_on_over_a_reload_that_does_not_change_its_service(tmp_path):
    world = up(tmp_path, WEB)
    world.order("drain", A)
    world.traffic(A, active=3)
    world.configure(WEB)
    assert world.weights() == {1: 0, 2: 1}
    assert A.key in world.balancer._drains.of(KEY)


async def test_what_is_found_once_the_kernel_can_be_reached_counts_for_the_plan_taken_before(
    tmp_path,
):
    kernel, clock = Recording(), asyncio.get_running_loop().time
    kernel.apply([AddService(WEB.service), AddDestination(KEY, Destination(A.key))])
    board = Board(lambda _: Health(UNKNOWN), clock, clock)
    balancer = Balancer(board, tmp_path, wall=clock)
    plan = DirectorPlan("c", "n", (WEB,))
    board.update(plan.services)
    balancer.configure(plan)
    assert balancer.services.alive_weight(WEB) == 0
    table = Reconciler(kernel, Ownership(tmp_path), balancer.services.view)
    table.adopt()
    balancer.open(kernel, table)
    balancer.configure(plan)
    assert balancer.services.alive_weight(WEB) == 1
    assert balancer.services.standing(WEB, A).role is Role.KEEP
