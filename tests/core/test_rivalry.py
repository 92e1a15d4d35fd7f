"""Two masters, one of which was held up: who yields, and what it says last."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lvsha.core.election import step
from lvsha.core.mastership import Advertise, Announce, Changed, Conflict, Own, State, Timeout
from tests.core.test_election import HIGHER, LOWER, OWNER, VR, heard, master


@pytest.mark.parametrize(("priority", "source"), [(99, HIGHER), (100, LOWER), (2, HIGHER)])
def test_a_master_silent_for_three_intervals_leaves_it_to_who_took_over(priority, source):
    """With one word that changes nothing, but has the other one announce the addresses again."""
    router, actions = step(VR, master(now=10.0), heard(priority, source), 13.1)
    reason = f"{source} took over while this node stood still"
    assert actions == (Advertise(1), Own(()), Changed(State.MASTER, State.BACKUP, reason))
    assert (router.state, router.master) == (State.BACKUP, source)


def test_what_came_in_meanwhile_is_answered_once():
    router, _ = step(VR, master(now=10.0), heard(99), 20.0)
    for _ in range(5):
        router, actions = step(VR, router, heard(99), 20.0)
        assert actions == ()
    assert step(VR, router, Timeout(), router.deadline)[0].state is State.MASTER


@pytest.mark.parametrize("preempt", [True, False])
def test_it_preempts_in_its_time_if_at_all(preempt):
    vr = replace(VR, preempt=preempt)
    router, _ = step(vr, master(now=10.0), heard(99), 20.0)
    router, _ = step(vr, router, heard(99), 23.0)
    router, _ = step(vr, router, Timeout(), 20.0 + 3.61)
    assert router.state is (State.MASTER if preempt else State.BACKUP)


def test_a_shorter_pause_is_no_reason_to_yield():
    router, actions = step(VR, master(now=10.0), heard(99), 12.9)
    assert actions == (Advertise(100), Announce(), Conflict(HIGHER, 99))
    assert router.state is State.MASTER


def test_a_silent_master_nobody_replaced_goes_on():
    router, actions = step(VR, master(now=10.0), Timeout(), 60.0)
    assert (router.state, actions) == (State.MASTER, (Advertise(100),))


def test_the_address_owner_yields_to_nobody():
    router, _ = step(OWNER, master(OWNER, now=10.0), heard(99), 20.0)
    assert router.state is State.MASTER


def test_a_rival_that_would_take_the_last_word_for_a_better_one_gets_none():
    """Nothing is below priority 1: it would yield, too."""
    router, actions = step(VR, master(now=10.0), heard(1), 20.0)
    assert router.state is State.MASTER
    assert actions[0] == Advertise(100)
