"""Two and three machines with sync groups under random scripts: all their addresses or none."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.group_simulation import GroupSimulation, machine

SEGMENTS = ("web", "inner")
QUIET = 20.0

seconds = st.floats(0.0, 6.0, allow_nan=False)
disturbances = st.one_of(
    st.tuples(st.sampled_from(["start", "stop", "kill"])),
    st.tuples(st.sampled_from(["cut", "join", "fault", "mend"]), st.sampled_from(SEGMENTS)),
    st.tuples(st.just("stall"), seconds),
    st.tuples(st.just("set_priority"), st.integers(1, 254)),
)
scripts = st.lists(st.tuples(seconds, st.integers(0, 2), disturbances), max_size=12)


@st.composite
def clusters(draw):
    preempt = draw(st.booleans())
    interval = draw(st.sampled_from([0.4, 1.0]))
    priorities = draw(st.lists(st.integers(1, 254), min_size=2, max_size=3, unique=True))
    return [
        machine(number, priority, SEGMENTS, preempt=preempt, advertisement_interval=interval)
        for number, priority in enumerate(priorities, 1)
    ]


def play(machines, script) -> GroupSimulation:
    world = GroupSimulation(*(vr for each in machines for vr in each))
    names = [each[0].name.partition("/")[0] for each in machines]
    for name in names:
        world.start_machine(name)
    for pause, place, (verb, *arguments) in script:
        world.run_until(world.now + pause)
        disturb(world, names[place % len(names)], verb, *arguments)
    world.run_until(world.now + 6.0)
    for name, routers in zip(names, machines, strict=True):
        for vr in routers:
            world.join(vr.name)
            world.fault(vr.name)
            world.set_priority(vr.name, vr.priority)
        world.start_machine(name)
    world.run_until(world.now + QUIET)
    return world


def disturb(world, name, verb, *arguments):
    match verb:
        case "start":
            world.start_machine(name)
        case "cut" | "join":
            getattr(world, verb)(f"{name}/{arguments[0]}")
        case "fault":
            world.fault(f"{name}/{arguments[0]}", "something broke")
        case "mend":
            world.fault(f"{name}/{arguments[0]}")
        case _:
            world.each(name, verb, *arguments)


@settings(max_examples=150, deadline=None)
@given(clusters(), scripts)
def test_in_the_end_one_machine_has_every_address(machines, script):
    world = play(machines, script)
    assert len(world.owners()) == 1
    assert len(world.masters()) == len(SEGMENTS)
    if machines[0][0].preempt:
        best = max(machines, key=lambda each: each[0].priority)
        assert world.owners() == [best[0].name.partition("/")[0]]


@settings(max_examples=150, deadline=None)
@given(clusters(), scripts)
def test_no_machine_ever_has_some_addresses_and_not_the_others(machines, script):
    assert play(machines, script).split == []
