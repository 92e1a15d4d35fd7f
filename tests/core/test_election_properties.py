"""Two and three routers under random scripts of the world's worst: what always holds."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvsha.core.mastership import Advertise, Announce, Changed, Own, Reconfigure, State
from tests.simulation import LATENCY, Simulation, virtual_router

QUIET = 16.0
"""Longer than three routers take to settle at intervals up to 1 s."""

names = ("a", "b", "c")
seconds = st.floats(0.0, 8.0, allow_nan=False)
local_disturbances = st.one_of(
    st.tuples(st.sampled_from(["start", "stop", "kill", "fault", "mend"])),
    st.tuples(st.just("stall"), seconds),
    st.tuples(st.just("set_priority"), st.integers(1, 254)),
    st.tuples(st.just("readdress"), st.integers(100, 110)),
)
disturbances = st.one_of(st.tuples(st.sampled_from(["cut", "join"])), local_disturbances)
places = st.integers(0, 2)
scripts = st.lists(st.tuples(seconds, places, disturbances), max_size=14)
unparted = st.lists(st.tuples(seconds, places, local_disturbances), max_size=14)


@st.composite
def clusters(draw):
    size = draw(st.integers(2, 3))
    preempt = draw(st.booleans())
    priorities = st.sampled_from([1, 100, 150, 254, 255])
    return [
        virtual_router(
            names[place],
            priority=draw(priorities),
            preempt=preempt,
            advertisement_interval=draw(st.sampled_from([0.4, 1.0])),
            source=ip_address(f"10.0.0.{place + 1}"),
        )
        for place in range(size)
    ]


def play(routers, script) -> Simulation:
    """Start everyone, do the script, mend everything, and let a quiet minute pass."""
    world = Simulation(*routers)
    world.watch = check_step
    for vr in routers:
        world.start(vr.name)
    for pause, place, (verb, *arguments) in script:
        world.run_until(world.now + pause)
        disturb(world, routers[place % len(routers)].name, verb, *arguments)
    world.run_until(world.now + 8.0)
    for vr in routers:
        world.join(vr.name)
        world.fault(vr.name)
        world.set_priority(vr.name, vr.priority)
        world.start(vr.name)
    world.overlap = 0.0
    world.run_until(world.now + QUIET)
    return world


def disturb(world, name, verb, *arguments):
    match verb:
        case "fault":
            world.fault(name, "something broke")
        case "mend":
            world.fault(name)
        case "stall" | "set_priority":
            getattr(world, verb)(name, *arguments)
        case "readdress":
            (last,) = arguments
            world.reconfigure(name, addresses=(ip_interface(f"10.0.0.{last}/32"),))
        case _:
            getattr(world, verb)(name)


def check_step(node, before, event, after, actions):
    assert (after.deadline is None) == (after.state in (State.INIT, State.FAULT))
    changes = [action for action in actions if isinstance(action, Changed)]
    if before.state is after.state:
        assert changes == []
    else:
        (change,) = changes
        assert (change.old, change.new) == (before.state, after.state)
        assert change is actions[-1]
    for own in (action for action in actions if isinstance(action, Own)):
        moved = isinstance(event, Reconfigure) and before.state is State.MASTER
        assert moved or bool(own.addresses) is not node.owns, "ownership strictly alternates"
    if before.state is not State.MASTER and after.state is State.MASTER:
        assert [type(action) for action in actions] == [Advertise, Own, Announce, Changed]
    if before.state is State.MASTER and after.state in (State.INIT, State.FAULT):
        assert actions[:2] == (Advertise(0), Own(()))
    assert node.owns is (before.state is State.MASTER)


@settings(max_examples=100, deadline=None)
@given(clusters(), scripts)
def test_after_the_last_disturbance_there_is_exactly_one_owner(routers, script):
    world = play(routers, script)
    assert len(world.masters()) == 1
    priorities = [vr.priority for vr in routers]
    if routers[0].preempt and priorities.count(max(priorities)) == 1:
        best = max(routers, key=lambda vr: vr.priority)
        assert world.masters() == [best.name]


@settings(max_examples=100, deadline=None)
@given(clusters(), scripts)
def test_two_masters_that_hear_each_other_are_two_for_an_interval_at_most(routers, script):
    world = play(routers, script)
    slowest = max(vr.advertisement_interval for vr in routers)
    hand_overs = 2 * len(routers)
    assert world.overlap <= slowest + hand_overs * 3 * LATENCY


@settings(max_examples=100, deadline=None)
@given(clusters(), unparted)
def test_the_last_announcement_is_the_owners(routers, script):
    """Of a segment that was never parted: what half of it missed nobody can know."""
    world = play(routers, script)
    (owner,) = world.masters()
    assert all(
        world.nodes[owner].announced >= other.announced - 1e-9
        for other in world.nodes.values()
        if other.alive
    )


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("always", "drawn"),
    [
        (test_after_the_last_disturbance_there_is_exactly_one_owner, scripts),
        (test_two_masters_that_hear_each_other_are_two_for_an_interval_at_most, scripts),
        (test_the_last_announcement_is_the_owners, unparted),
    ],
)
def test_so_it_is_in_thousands_of_scripts(always, drawn):
    """Each of the three above holds for 3,000 more."""
    many = given(clusters(), drawn)(always.hypothesis.inner_test)
    settings(max_examples=3000, deadline=None)(many)()


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([100, 200]), st.sampled_from([1, 2]))
def test_of_equal_priorities_the_incumbent_stays_whatever_its_address(priority, incumbent):
    routers = [
        virtual_router(name, priority=priority, source=ip_address(f"10.0.0.{place}"))
        for place, name in enumerate("ab", start=1)
    ]
    world = Simulation(*routers)
    first, second = ("a", "b") if incumbent == 1 else ("b", "a")
    world.start(first)
    world.run_until(10.0)
    world.start(second)
    world.run_until(30.0)
    assert world.masters() == [first]
    assert world.nodes[second].router.master == world.nodes[first].vr.source


@settings(max_examples=60, deadline=None)
@given(st.floats(0.0, 1.0), st.booleans())
def test_after_a_partition_the_winner_announces_in_either_order_of_yielding(offset, apart):
    """Whoever speaks first after the cable is back: the loser's parting word tells the winner."""
    low = virtual_router("a", priority=100)
    high = virtual_router("b", priority=150, source=ip_address("10.0.0.2"))
    world = Simulation(low, high)
    world.cut("a")
    world.start("a")
    if apart:
        world.run_until(0.3)
    world.start("b")
    world.run_until(20.0 + offset)
    assert world.masters() == ["a", "b"]
    world.join("a")
    healed = world.now
    world.run_until(30.0)
    assert world.masters() == ["b"]
    assert world.nodes["b"].announced >= healed
    assert world.nodes["b"].conflicts >= 1
