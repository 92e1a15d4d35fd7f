"""What operators say of servers, and what the file no longer says of them: orders, drains."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

from lvsha.core.commands import AddDestination, SetDestination
from lvsha.core.health import Admin
from lvsha.core.types import (
    OnFailure,
    Protocol,
    Service,
)
from lvsha.errors import UsageError
from tests.shell.balancer_world import DOWN, KEY, UP, WEB, A, B, C, living, up

pytestmark = pytest.mark.looptime


# --- orders ----------------------------------------------------------------------------------


async def test_a_drained_server_keeps_its_connections_until_they_end_and_is_then_out(
    tmp_path, events
):
    world = up(tmp_path, replace(WEB, drain_timeout=60.0))
    async with living(world):
        world.traffic(A, active=2)
        world.order("drain", A)
        assert world.weights() == {1: 0, 2: 1}
        await asyncio.sleep(40)
        assert world.weights() == {1: 0, 2: 1}
        world.traffic(A, active=0, inactive=2, packets=9)
        await asyncio.sleep(6)
        assert world.weights() == {2: 1}
    assert world.balancer.services.admin(WEB, A) is Admin.DRAIN
    (drained,) = events("server.drained")
    assert (drained["server"], drained["connections_left"]) == ("10.0.0.1:80", 0)


async def test_a_drain_ends_at_its_deadline_whatever_is_left(tmp_path, events):
    world = up(tmp_path, replace(WEB, drain_timeout=10.0))
    async with living(world):
        world.traffic(A, active=2)
        world.order("drain", A)
        await asyncio.sleep(9)
        assert world.weights() == {1: 0, 2: 1}
        await asyncio.sleep(3)
        assert world.weights() == {2: 1}
    assert events("server.drained")[0]["connections_left"] == 2


async def test_enable_restores_the_weight_in_place(tmp_path):
    world = up(tmp_path, WEB)
    world.order("drain", A)
    world.ipvs.asked = []
    world.order("enable", A)
    assert [type(command) for command in world.ipvs.asked] == [SetDestination]
    assert world.weights() == {1: 1, 2: 1}


async def test_a_server_without_connections_is_drained_at_once(tmp_path):
    world = up(tmp_path, WEB)
    async with living(world):
        world.order("drain", A)
        await asyncio.sleep(0.1)
        assert world.weights() == {2: 1}


async def test_datagrams_are_not_waited_for(tmp_path):
    key = replace(KEY, protocol=Protocol.UDP)
    world = up(tmp_path, replace(WEB, service=Service(key)))
    world.balancer.order("drain", "web", str(A), None)
    world.table.settle()
    assert [str(s.destination.key) for s in world.ipvs.destinations(key)] == ["10.0.0.2:80"]


@pytest.mark.parametrize(
    ("on_failure", "weights"), [(OnFailure.REMOVE, {2: 1}), (OnFailure.QUIESCE, {1: 0, 2: 1})]
)
async def test_a_disabled_server_is_out_as_if_it_had_failed(tmp_path, on_failure, weights):
    world = up(tmp_path, replace(WEB, on_failure=on_failure))
    world.order("disable", A)
    assert world.weights() == weights
    world.verdict(DOWN, A)
    world.verdict(UP, A)
    assert world.weights() == weights
    world.order("enable", A)
    assert world.weights() == {1: 1, 2: 1}


async def test_an_operators_weight_holds_until_the_files_is_given_again(tmp_path):
    world = up(tmp_path, WEB)
    world.order("weight", A, 7)
    assert world.weights() == {1: 7, 2: 1}
    assert world.balancer.services.alive_weight(WEB) == 8
    world.order("weight", A, 1)
    assert world.weights() == {1: 1, 2: 1}
    assert json.loads((tmp_path / "orders.json").read_text()) == {"orders": []}


async def test_orders_and_drains_outlive_the_director(tmp_path):
    world = up(tmp_path, replace(WEB, real_servers=(A, B, C), drain_timeout=30.0))
    world.traffic(A, active=1)
    world.order("drain", A)
    world.order("weight", B, 5)
    world.order("disable", C)
    before = world.weights()
    assert before == {1: 0, 2: 5}
    await asyncio.sleep(20)
    world.ipvs.asked = []
    world.start()
    assert world.ipvs.asked == []
    world.verdict(UP, A, B, C)
    assert world.weights() == before
    async with living(world):
        await asyncio.sleep(9)
        assert world.weights() == before
        await asyncio.sleep(3)
        assert world.weights() == {2: 5}
    assert world.balancer.services.admin(world.services[0], A) is Admin.DRAIN


async def test_orders_go_with_the_last_mention_of_their_server(tmp_path):
    world = up(tmp_path, WEB)
    world.order("disable", A)
    world.configure(replace(WEB, real_servers=(B,)))
    world.configure(WEB)
    world.verdict(UP, A)
    assert world.weights() == {1: 1, 2: 1}


@pytest.mark.parametrize(
    ("service", "server", "words"),
    [
        ("wen", "10.0.0.1:80", "no service 'wen'; did you mean 'web'?"),
        ("zzz", "10.0.0.1:80", "no service 'zzz'; there are web"),
        (
            "web",
            "10.0.0.1:8",
            "service 'web' has no server '10.0.0.1:8'; did you mean '10.0.0.1:80'?",
        ),
        ("web", "x", "service 'web' has no server 'x'; there are 10.0.0.1:80, 10.0.0.2:80"),
    ],
)
async def test_what_is_not_there_is_answered_with_the_nearest_name(
    tmp_path, service, server, words
):
    world = up(tmp_path, WEB)
    with pytest.raises(UsageError) as caught:
        world.balancer.order("drain", service, server, None)
    assert str(caught.value) == words


async def test_an_address_alone_names_a_server_when_no_other_has_it(tmp_path):
    world = up(tmp_path, WEB)
    world.balancer.order("disable", "web", "10.0.0.1", None)
    assert world.balancer.services.admin(WEB, A) is Admin.DISABLED


@pytest.mark.parametrize("name", ["orders.json", "draining.json"])
async def test_a_damaged_state_file_is_said_and_stops_nothing(tmp_path, events, name):
    (tmp_path / name).write_text('{"orders": [{}], "draining": [{}]}')
    world = up(tmp_path, WEB)
    assert world.weights() == {1: 1, 2: 1}
    assert len(events("state.unreadable")) == 1


# --- the file changes ------------------------------------------------------------------------


async def test_a_server_taken_out_of_the_file_drains_as_ours_even_over_a_restart(tmp_path, events):
    world = up(tmp_path, replace(WEB, drain_timeout=30.0))
    world.traffic(A, active=1)
    world.configure(replace(WEB, real_servers=(B,), drain_timeout=30.0))
    assert world.weights() == {1: 0, 2: 1}
    async with living(world):
        await asyncio.sleep(10)
        assert world.weights() == {1: 0, 2: 1}
    world.start()
    world.verdict(UP, B)
    async with living(world):
        await asyncio.sleep(15)
        assert world.weights() == {1: 0, 2: 1}
        await asyncio.sleep(6)
        assert world.weights() == {2: 1}
    assert events("ipvs.drift") == []


async def test_a_server_put_back_into_the_file_while_it_drains_is_restored_in_place(tmp_path):
    world = up(tmp_path, WEB)
    world.traffic(A, active=1)
    world.configure(replace(WEB, real_servers=(B,)))
    world.ipvs.asked = []
    world.configure(WEB)
    assert [type(command) for command in world.ipvs.asked] == [SetDestination]
    assert world.weights() == {1: 1, 2: 1}


async def test_a_destination_added_by_hand_is_drift_and_goes_at_once(tmp_path, events):
    world = up(tmp_path, replace(WEB, real_servers=(B,)))
    foreign = world.ipvs.destinations(KEY)[0].destination
    assert world.ipvs.apply([AddDestination(KEY, replace(foreign, key=C.key))]) == ()
    await world.table.resync()
    assert world.weights() == {2: 1}
    assert len(events("ipvs.drift")) == 1
