"""Backups that wait longer than silence asks for: preempt_delay and startup_delay."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lvsha.core.election import begin, step
from lvsha.core.mastership import Start, State, Timeout
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
