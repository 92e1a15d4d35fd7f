"""director.balancer with the reconciler on the in-memory kernel, under virtual time."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lvsha.core.commands import AddDestination, DeleteDestination, SetDestination
from lvsha.core.health import Admin, Advice, Measured
from lvsha.core.messages import RouterStatus, VrrpStatus
from lvsha.core.plan import Initial
from lvsha.core.types import (
    OnFailure,
    Service,
)
from tests.shell.balancer_world import (
    DOWN,
    KEY,
    SORRY,
    UP,
    WEB,
    A,
    B,
    C,
    D,
    World,
    living,
    server,
    up,
)

pytestmark = pytest.mark.looptime


# --- quorum, tiers, panic --------------------------------------------------------------------


async def test_below_the_quorum_what_lives_goes_on_serving_and_each_turn_is_one_line(
    tmp_path, events
):
    service = replace(WEB, real_servers=(A, B, C), quorum=2)
    world = up(tmp_path, service)
    world.verdict(DOWN, A, B)
    assert world.weights() == {3: 1}
    world.verdict(UP, A)
    told = [(e["old"], e["new"], e["alive_weight"], e["quorum"]) for e in events("service.state")]
    assert told == [("DOWN", "UP", 2, 2), ("UP", "DOWN", 1, 2), ("DOWN", "UP", 2, 2)]


async def test_backups_stand_in_before_the_real_servers_are_out_and_go_after_they_are_back(
    tmp_path, events
):
    service = replace(WEB, backups=((SORRY,),), drain_timeout=0.0)
    world = up(tmp_path, service)
    assert world.weights() == {1: 1, 2: 1}
    world.verdict(DOWN, A, B)
    assert world.weights() == {50: 1}
    adds = [type(command) for command in world.ipvs.asked]
    assert adds == [AddDestination, DeleteDestination, DeleteDestination]
    world.ipvs.asked = []
    world.verdict(UP, B)
    assert world.weights() == {2: 1}
    assert [type(command) for command in world.ipvs.asked] == [AddDestination, DeleteDestination]
    assert [(e["old"], e["new"]) for e in events("service.tier")] == [(0, 1), (1, 0)]


async def test_a_backup_that_leaves_ends_the_requests_it_has(tmp_path):
    world = up(tmp_path, replace(WEB, backups=((SORRY,),), drain_timeout=20.0))
    async with living(world):
        world.verdict(DOWN, A, B)
        world.traffic(SORRY, active=1)
        world.verdict(UP, A)
        await asyncio.sleep(10)
        assert world.weights() == {1: 1, 50: 0}
        world.traffic(SORRY, active=0)
        await asyncio.sleep(2)
        assert world.weights() == {1: 1}


async def test_a_backup_called_in_again_while_it_leaves_is_restored_in_place(tmp_path):
    world = up(tmp_path, replace(WEB, backups=((SORRY,),)))
    world.verdict(DOWN, A, B)
    world.verdict(UP, A)
    assert world.weights() == {1: 1, 50: 0}
    world.ipvs.asked = []
    world.verdict(DOWN, A)
    assert [type(command) for command in world.ipvs.asked] == [SetDestination, DeleteDestination]
    assert world.weights() == {50: 1}
    assert json.loads((tmp_path / "draining.json").read_text()) == {"draining": []}


async def test_a_start_shows_no_backup_before_the_real_servers_are_judged(tmp_path):
    world = World(tmp_path, replace(WEB, backups=((SORRY,),)))
    world.verdict(UP, SORRY)
    assert world.weights() == {}
    world.verdict(DOWN, A)
    assert world.weights() == {}
    world.verdict(DOWN, B)
    assert world.weights() == {50: 1}


async def test_a_restart_while_backups_stand_in_changes_nothing(tmp_path):
    world = up(tmp_path, replace(WEB, backups=((SORRY,),)))
    world.verdict(DOWN, A, B)
    world.ipvs.asked = []
    world.start()
    world.verdict(UP, SORRY)
    world.verdict(DOWN, A, B)
    assert world.ipvs.asked == []
    assert world.weights() == {50: 1}


async def test_in_panic_all_are_kept_loudly_and_afterwards_the_dead_are_out(tmp_path, events):
    service = replace(WEB, real_servers=(A, B, C, D), panic_threshold=50)
    world = up(tmp_path, service)
    world.verdict(DOWN, A, B)
    assert world.weights() == {3: 1, 4: 1}
    world.verdict(DOWN, C)
    assert world.weights() == {1: 1, 2: 1, 3: 1, 4: 1}
    assert world.balancer.services.state(service).panic
    world.verdict(UP, C)
    assert world.weights() == {3: 1, 4: 1}
    assert [(e["panic"], e["down"], e["servers"]) for e in events("service.panic")] == [
        (True, 3, 4),
        (False, 2, 4),
    ]


async def test_panic_does_not_bring_back_what_an_operator_took_out(tmp_path):
    world = up(tmp_path, replace(WEB, real_servers=(A, B, C), panic_threshold=50))
    world.order("disable", A)
    world.verdict(DOWN, A, B, C)
    assert world.weights() == {2: 1, 3: 1}


async def test_most_targets_failing_at_once_is_called_a_problem_of_this_director(tmp_path, events):
    world = up(tmp_path, replace(WEB, real_servers=(A, B, C, D)))
    world.verdict(DOWN, A, B)
    assert not world.balancer.is_suspect
    world.verdict(DOWN, C)
    assert world.balancer.is_suspect
    world.verdict(UP, C)
    assert not world.balancer.is_suspect
    assert [len(events(f"director.{name}")) for name in ("suspect", "trusted")] == [1, 1]


async def test_targets_failing_one_after_the_other_are_their_own_problem(tmp_path):
    world = up(tmp_path, replace(WEB, real_servers=(A, B, C, D)))
    for each in (A, B, C, D):
        world.verdict(DOWN, each)
        await asyncio.sleep(30)
    assert not world.balancer.is_suspect


FOUR = replace(
    WEB,
    real_servers=(A, B, server(3, weight=2)),
    backups=((D,), (SORRY,)),
    quorum=2,
    hysteresis=1,
    panic_threshold=60,
)
happenings = st.tuples(
    st.sampled_from(FOUR.servers),
    st.one_of(
        st.sampled_from([UP, DOWN]),
        st.sampled_from(["drain", "enable", "disable"]),
        st.integers(0, 3),
    ),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(happenings, min_size=1, max_size=15),
    st.sampled_from(OnFailure),
    st.sampled_from([0.0, 60.0]),
)
async def test_a_server_at_a_time_comes_to_what_looking_at_all_of_them_comes_to(
    tmp_path_factory, happened, on_failure, drain_timeout
):
    service = replace(FOUR, on_failure=on_failure, drain_timeout=drain_timeout)
    world = World(tmp_path_factory.mktemp("world"), service)
    for each, what in happened:
        match what:
            case Measured():
                world.verdict(what, each)
            case str():
                world.order(what, each)
            case int():
                world.order("weight", each, what)
        world.ipvs.asked = []
        world.table.touch_service(service)
        world.table.settle()
        assert world.ipvs.asked == []
    before = world.ipvs.table()
    world.configure(service)
    assert world.ipvs.table() == before


# --- slow start, advice, initial -------------------------------------------------------------


async def test_a_server_that_comes_back_starts_slowly_and_others_do_not(tmp_path):
    heavy = server(1, weight=100)
    service = replace(WEB, real_servers=(heavy, B), slow_start=20.0)
    world = up(tmp_path, service)
    assert world.weights() == {1: 100, 2: 1}
    async with living(world):
        world.verdict(DOWN, heavy)
        world.verdict(UP, heavy)
        seen = [world.weights()[1]]
        for _ in range(24):
            await asyncio.sleep(1)
            seen.append(world.weights()[1])
    assert seen[0] == 1
    assert seen == sorted(seen)
    assert all(abs(weight - 5 * second) <= 10 for second, weight in enumerate(seen[:20]))
    assert seen[21:] == [100] * 4
    assert world.balancer.services.alive_weight(service) == 101


async def test_a_ramp_sends_one_command_a_step_and_none_in_between(tmp_path):
    heavy = server(1, weight=100)
    world = up(tmp_path, replace(WEB, real_servers=(heavy, B), slow_start=40.0))
    async with living(world):
        world.verdict(DOWN, heavy)
        world.ipvs.asked = []
        world.verdict(UP, heavy)
        await asyncio.sleep(60)
    assert len(world.ipvs.asked) <= 21


async def test_a_ramp_goes_on_over_a_reload(tmp_path):
    heavy = server(1, weight=100)
    service = replace(WEB, real_servers=(heavy,), slow_start=20.0)
    world = up(tmp_path, service)
    async with living(world):
        world.verdict(DOWN, heavy)
        world.verdict(UP, heavy)
        await asyncio.sleep(10.2)
        world.configure(replace(service, quorum=2))
        assert world.weights() == {1: 50}
        await asyncio.sleep(11)
        assert world.weights() == {1: 100}


async def test_an_agents_advice_becomes_weight_and_place_without_a_change_of_health(tmp_path):
    heavy = server(1, weight=10)
    world = up(tmp_path, replace(WEB, real_servers=(heavy, B)))
    world.verdict(UP, heavy, advice=Advice(weight_percent=30))
    assert world.weights() == {1: 3, 2: 1}
    world.verdict(UP, heavy, advice=Advice(admin=Admin.DRAIN))
    assert world.weights() == {1: 0, 2: 1}
    world.verdict(UP, heavy, advice=Advice(admin=Admin.ENABLED))
    assert world.weights() == {1: 10, 2: 1}


@pytest.mark.parametrize(("initial", "weights"), [(Initial.UP, {1: 1, 2: 1}), (Initial.DOWN, {})])
async def test_servers_nobody_has_judged_count_as_the_file_says(tmp_path, initial, weights):
    service = replace(WEB, initial=initial)
    world = World(tmp_path, service)
    assert world.weights() == weights
    assert world.balancer.services.state(service).quorum_held is (initial is Initial.UP)
    world = up(tmp_path, service)
    world.start()
    assert world.weights() == weights


# --- active_when, mh -------------------------------------------------------------------------


def vrrp(state: str) -> VrrpStatus:
    return VrrpStatus((RouterStatus("web", 51, "eth0", state, 100, 100, None, 0.0, ()),))


async def test_a_service_bound_to_the_master_comes_and_goes_with_its_router(tmp_path, events):
    world = up(tmp_path, replace(WEB, router="web"))
    assert world.ipvs.services() == ()
    for state, there in (("BACKUP", False), ("MASTER", True), ("MASTER", True), ("FAULT", False)):
        world.balancer.heard(vrrp(state))
        world.table.settle()
        assert bool(world.ipvs.services()) is there
        await world.table.resync()
        assert bool(world.ipvs.services()) is there
    assert [event["active"] for event in events("service.active")] == [True, False]
    assert events("ipvs.drift") == []


async def test_a_restart_on_the_master_leaves_its_services_until_the_router_is_heard_of(tmp_path):
    world = up(tmp_path, replace(WEB, router="web"))
    world.balancer.heard(vrrp("MASTER"))
    world.table.settle()
    world.ipvs.asked = []
    world.start()
    world.balancer.heard(vrrp("MASTER"))
    world.table.settle()
    assert world.ipvs.asked == []
    assert world.weights() == {1: 1, 2: 1}


HASHED = replace(WEB, service=Service(KEY, "mh"), real_servers=(A, server(2, 3), C))


def hash_table(world: World) -> list[tuple[int, int]]:
    """What `mh` builds its table from: the destinations' order and last weights above 0."""
    return [
        (number, world.ipvs.last_weight(KEY, s.destination.key))
        for number, s in zip(world.weights(), world.ipvs.destinations(KEY), strict=True)
    ]


async def test_mh_heeds_no_advised_weight_and_says_so_once(tmp_path, events):
    world = up(tmp_path, HASHED)
    before = world.weights()
    world.verdict(UP, *HASHED.real_servers, advice=Advice(weight_percent=10))
    assert world.weights() == before
    assert [event["service"] for event in events("weight.refused")] == ["web"]


async def test_mh_servers_keep_their_places_down_drained_or_never_seen_alive(tmp_path):
    saw_all = up(tmp_path, HASHED)
    wanted = hash_table(saw_all)
    assert sorted(wanted) == [(1, 1), (2, 3), (3, 1)]
    (tmp_path / "late").mkdir()
    late = World(tmp_path / "late", HASHED)
    assert hash_table(late) == wanted
    assert set(late.weights().values()) == {0}
    late.verdict(DOWN, HASHED.real_servers[1])
    late.verdict(UP, C, A)
    assert late.weights() == {1: 1, 2: 0, 3: 1}
    late.order("drain", C)
    assert hash_table(late) == wanted
    saw_all.verdict(DOWN, A)
    saw_all.verdict(UP, A)
    assert hash_table(saw_all) == wanted
