"""Backups that wait for more than silence: preempt_delay, startup_delay, and a fresh link."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lvsha.core.election import begin, step
from lvsha.core.mastership import Carried, Changed, Faults, Listen, Start, State, Timeout
from lvsha.core.patience import SETTLING
from tests.core.test_election import HIGHER, backup, heard
from tests.simulation import virtual_router

VR = virtual_router(preempt_delay=5.0)
DOWN = 3.609375


def test_a_lower_master_is_followed_until_its_time_is_over():
    router, _ = step(VR, backup(VR), heard(50), 1.0)
    assert (router.deadline, router.preempts_at, router.master) == (1.0 + DOWN, 6.0, HIGHER)
    router, _ = step(VR, router, heard(50, interval=0.5), 5.9)
    assert (router.interval, router.preempts_at) == (0.5, 6.0)
    after, _ = step(VR, router, heard(50), 6.0)
    assert after.deadline == router.deadline
    assert after.omen == "10.0.0.2 has lower priority 50"


def test_a_higher_master_in_between_gives_a_lower_one_its_whole_time_again():
    router, _ = step(VR, backup(VR), heard(50), 1.0)
    router, _ = step(VR, router, heard(200), 3.0)
    assert router.preempts_at is None
    router, _ = step(VR, router, heard(50), 4.0)
    assert router.preempts_at == 9.0


def test_who_stops_is_followed_at_once():
    router, _ = step(VR, backup(VR), heard(50), 1.0)
    router, _ = step(VR, router, heard(0), 2.0)
    assert router.deadline == 2.0 + 0.609375


def test_without_a_delay_a_lower_master_has_no_time():
    vr = replace(VR, preempt_delay=0.0)
    before = backup(vr)
    after, _ = step(vr, before, heard(50), 1.0)
    assert after.deadline == before.deadline


def test_a_new_term_as_backup_gives_the_whole_time_again():
    router, _ = step(VR, backup(VR), heard(50), 1.0)
    router, _ = step(VR, replace(router, deadline=2.0), Timeout(), 2.0)
    assert (router.state, router.preempts_at) == (State.MASTER, None)
    router, _ = step(VR, router, heard(200), 3.0)
    assert (router.state, router.preempts_at) == (State.BACKUP, None)


@pytest.mark.parametrize(("priority", "due"), [(100, DOWN), (255, 2.0)])
def test_nobody_is_master_before_its_startup_delay_has_passed(priority, due):
    """Whatever it hears meanwhile; and the owner the moment it has."""
    vr = virtual_router(priority=priority, startup_delay=2.0)
    router, _ = step(vr, begin(vr), Start(), 0.0)
    assert (router.state, router.deadline) == (State.BACKUP, due)
    stopped, _ = step(vr, router, heard(0), 0.5)
    early = replace(stopped, deadline=1.0)
    waiting, actions = step(vr, early, Timeout(), 1.0)
    assert (waiting.state, waiting.deadline, actions) == (State.BACKUP, 2.0, ())
    router, _ = step(vr, waiting, Timeout(), 2.0)
    assert router.state is State.MASTER


KEEPS = virtual_router(preempt=False)


def test_on_a_fresh_link_silence_means_nothing_until_the_link_brings_something():
    router, actions = step(KEEPS, begin(KEEPS), Start(), 0.0)
    assert [type(action) for action in actions] == [Listen, Changed]
    again, actions = step(KEEPS, router, Timeout(), DOWN)
    assert (again.state, again.deadline, actions) == (State.BACKUP, 2 * DOWN, (Listen(),))
    carried, actions = step(KEEPS, again, Carried(), 5.0)
    assert (carried.deadline, actions) == (5.0 + DOWN, ())
    master, _ = step(KEEPS, carried, Timeout(), carried.deadline)
    assert master.state is State.MASTER


def test_a_link_that_brings_something_at_once_delays_nothing():
    router = backup(KEEPS)
    after, _ = step(KEEPS, router, Carried(), 0.0)
    assert after.deadline == router.deadline
    assert step(KEEPS, after, Carried(), 3.0) == (after, ())


def test_a_master_that_is_heard_needs_no_other_sign():
    router, _ = step(KEEPS, backup(KEEPS), heard(50), 2.0)
    assert not router.deaf
    master, _ = step(KEEPS, router, Timeout(), 2.0 + DOWN)
    assert master.state is State.MASTER


def test_a_link_that_brings_nothing_is_believed_in_the_end():
    router = replace(backup(KEEPS), deadline=29.0)
    waiting, _ = step(KEEPS, router, Timeout(), 29.0)
    assert waiting.deadline == SETTLING
    master, _ = step(KEEPS, waiting, Timeout(), SETTLING)
    assert master.state is State.MASTER


def test_after_a_fault_the_link_is_fresh_again():
    router, _ = step(KEEPS, backup(KEEPS), Faults(frozenset({"down"})), 1.0)
    assert not router.deaf
    router, actions = step(KEEPS, router, Faults(frozenset()), 2.0)
    assert (router.deaf, actions[0]) == (True, Listen())


@pytest.mark.parametrize(
    "vr", [virtual_router(), virtual_router(preempt=False, priority=255)], ids=["preempts", "owner"]
)
def test_who_would_take_over_anyway_asks_nobody(vr):
    _, actions = step(vr, begin(vr), Start(), 0.0)
    assert Listen() not in actions
