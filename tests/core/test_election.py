"""The election clause by clause: RFC 9568 §6.4, and what lvsha adds to it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface

import pytest

from lvsha.core import advert
from lvsha.core.election import begin, master_down_interval, skew_time, step
from lvsha.core.mastership import (
    Advertise,
    Announce,
    Changed,
    Conflict,
    Faults,
    Forgiven,
    Own,
    Received,
    Reconfigure,
    SetPriority,
    Start,
    State,
    StepDown,
    Stop,
    Timeout,
)
from lvsha.core.types import Family
from tests.simulation import virtual_router

VR = virtual_router()
OWNER = virtual_router(priority=255)
VIPS = VR.addresses
LOWER, HIGHER = ip_address("10.0.0.0"), ip_address("10.0.0.2")


def heard(priority, source=HIGHER, interval=1.0):
    ad = advert.of(virtual_router(advertisement_interval=interval), priority)
    return Received(ad, source)


def backup(vr=VR, now=0.0):
    return step(vr, begin(vr), Start(), now)[0]


def master(vr=VR, now=10.0):
    router, _ = step(vr, replace(backup(vr), deadline=now), Timeout(), now)
    assert router.state is State.MASTER
    return router


# 6.1 parameters


@pytest.mark.parametrize(
    ("version", "priority", "interval", "skew", "down"),
    [
        (3, 100, 1.0, 0.609375, 3.609375),
        (3, 100, 0.1, 0.0609375, 0.3609375),
        (3, 254, 0.01, 0.000078125, 0.030078125),
        (2, 100, 1.0, 0.609375, 3.609375),
        (2, 100, 10.0, 0.609375, 30.609375),
    ],
)
def test_6_1_skew_time_and_active_down_interval(version, priority, interval, skew, down):
    vr = virtual_router(version=version)
    assert skew_time(vr, priority, interval) == pytest.approx(skew)
    assert master_down_interval(vr, priority, interval) == pytest.approx(down)


# 6.4.1 Initialize


def test_6_4_1_the_owner_advertises_announces_and_is_active_at_startup():
    router, actions = step(OWNER, begin(OWNER), Start(), 5.0)
    assert actions == (
        Advertise(255),
        Own(VIPS),
        Announce(),
        Changed(State.INIT, State.MASTER, "started as address owner"),
    )
    assert (router.state, router.deadline, router.master) == (State.MASTER, 6.0, OWNER.source)


def test_6_4_1_anyone_else_waits_the_active_down_interval_as_backup():
    router, actions = step(VR, begin(VR), Start(), 5.0)
    assert actions == (Changed(State.INIT, State.BACKUP, "started"),)
    assert router.deadline == pytest.approx(8.609375)
    assert router.interval == VR.advertisement_interval


def test_6_4_1_nothing_but_startup_is_heeded():
    for event in (heard(200), Timeout(), Stop(), Faults(frozenset())):
        assert step(VR, begin(VR), event, 5.0) == (begin(VR), ())


# 6.4.2 Backup


def test_6_4_2_shutdown_cancels_the_timer_and_goes_to_initialize():
    router, actions = step(VR, backup(), Stop(), 1.0)
    assert actions == (Changed(State.BACKUP, State.INIT, "stopped"),)
    assert (router.state, router.deadline) == (State.INIT, None)


def test_6_4_2_when_the_timer_fires_advertise_then_own_then_announce():
    before = backup()
    router, actions = step(VR, before, Timeout(), before.deadline)
    assert actions == (
        Advertise(100),
        Own(VIPS),
        Announce(),
        Changed(State.BACKUP, State.MASTER, "no master heard"),
    )
    assert router.deadline == pytest.approx(before.deadline + 1.0)


def test_6_4_2_priority_0_shortens_the_timer_to_skew_time():
    following, _ = step(VR, backup(), heard(150), 1.0)
    router, actions = step(VR, following, heard(0), 2.0)
    assert actions == ()
    assert (router.deadline, router.master) == (pytest.approx(2.609375), None)
    _, actions = step(VR, router, Timeout(), router.deadline)
    assert actions[-1].reason == "10.0.0.2 stopped"


@pytest.mark.parametrize("priority", [100, 101, 254])
def test_6_4_2_equal_or_higher_priority_resets_the_timer(priority):
    router, actions = step(VR, backup(), heard(priority), 2.0)
    assert actions == ()
    assert (router.deadline, router.master) == (pytest.approx(5.609375), HIGHER)


def test_6_4_2_the_masters_interval_is_learned_and_skew_recomputed():
    router, _ = step(VR, backup(), heard(150, interval=0.1), 2.0)
    assert (router.interval, router.deadline) == (0.1, pytest.approx(2.3609375))


def test_6_4_2_a_lower_priority_is_discarded_and_the_timer_keeps_running():
    before = backup()
    router, actions = step(VR, before, heard(50), 2.0)
    assert (actions, router.deadline, router.state) == ((), before.deadline, State.BACKUP)
    _, actions = step(VR, router, Timeout(), router.deadline)
    assert actions[-1].reason == "10.0.0.2 has lower priority 50"


def test_6_4_2_without_preempt_mode_a_lower_priority_is_followed():
    vr = virtual_router(preempt=False)
    router, _ = step(vr, backup(vr), heard(50), 2.0)
    assert router.deadline == pytest.approx(5.609375)


# 6.4.3 Active


def test_6_4_3_shutdown_advertises_priority_0_before_the_addresses_go():
    router, actions = step(VR, master(), Stop(), 11.0)
    assert actions == (Advertise(0), Own(()), Changed(State.MASTER, State.INIT, "stopped"))
    assert (router.deadline, router.master) == (None, None)


def test_6_4_3_when_the_timer_fires_advertise_and_set_it_again():
    router, actions = step(VR, master(now=10.0), Timeout(), 11.0)
    assert (actions, router.deadline) == ((Advertise(100),), 12.0)


def test_6_4_3_priority_0_is_answered_at_once():
    router, actions = step(VR, master(), heard(0), 10.4)
    assert (actions, router.deadline) == ((Advertise(100),), pytest.approx(11.4))
    assert router.state is State.MASTER


@pytest.mark.parametrize(("priority", "source"), [(101, LOWER), (254, HIGHER), (100, HIGHER)])
def test_6_4_3_higher_priority_or_equal_with_a_higher_address_makes_a_backup(priority, source):
    router, actions = step(VR, master(), heard(priority, source, interval=0.2), 12.0)
    assert actions == (
        Advertise(100),
        Own(()),
        Changed(
            State.MASTER,
            State.BACKUP,
            f"{source} advertises priority {priority}, ours is 100",
        ),
    )
    assert (router.interval, router.master) == (0.2, source)
    assert router.deadline == pytest.approx(12.0 + 0.6 + 156 / 256 * 0.2)


@pytest.mark.parametrize(("priority", "source"), [(99, HIGHER), (100, LOWER), (1, LOWER)])
def test_6_4_3_a_lower_one_is_told_at_once_and_the_segment_too(priority, source):
    router, actions = step(VR, master(now=10.0), heard(priority, source), 12.0)
    assert actions == (Advertise(100), Announce(), Conflict(source, priority))
    assert (router.state, router.deadline) == (State.MASTER, 13.0)


def test_6_4_3_addresses_are_compared_as_numbers():
    """RFC 9568 §6.4.3 compares unsigned integers in network order: 10.0.0.9 < 10.0.0.10."""
    vr = virtual_router(source=ip_address("10.0.0.9"))
    router, _ = step(vr, master(vr), heard(100, ip_address("10.0.0.10")), 12.0)
    assert router.state is State.BACKUP


def test_the_master_just_displaced_is_no_conflict_but_is_announced_over():
    _, actions = step(VR, master(now=10.0), heard(50), 10.2)
    assert actions == (Advertise(100), Announce())


# timers


def test_a_timeout_before_the_deadline_is_not_believed():
    before = backup()
    assert step(VR, before, Timeout(), before.deadline - 0.001) == (before, ())


def test_the_next_advertisement_is_due_by_the_last_deadline_not_by_the_clock():
    router, _ = step(VR, master(now=10.0), Timeout(), 11.3)
    assert router.deadline == 12.0


def test_a_master_more_than_an_interval_behind_starts_a_new_beat():
    router, actions = step(VR, master(now=10.0), Timeout(), 15.5)
    assert (router.deadline, actions) == (16.5, (Advertise(100),))


def test_a_backup_that_overslept_grants_the_master_one_more_interval_and_only_one():
    following, _ = step(VR, backup(), heard(150), 0.0)
    late = following.deadline + 1.5
    router, actions = step(VR, following, Timeout(), late)
    assert actions == (Forgiven(1.5),)
    assert (router.state, router.deadline) == (State.BACKUP, late + 1.0)
    router, actions = step(VR, router, Timeout(), late + 5.0)
    assert router.state is State.MASTER


def test_grace_is_given_again_once_the_master_was_heard():
    following, _ = step(VR, backup(), heard(150), 0.0)
    graced, _ = step(VR, following, Timeout(), following.deadline + 2.0)
    again, _ = step(VR, graced, heard(150), graced.deadline)
    _, actions = step(VR, again, Timeout(), again.deadline + 2.0)
    assert actions == (Forgiven(2.0),)


# faults


def test_a_fault_makes_a_master_stop_and_a_cleared_one_a_backup():
    router, actions = step(VR, master(), Faults(frozenset({"interface eth0 is down"})), 11.0)
    assert actions == (
        Advertise(0),
        Own(()),
        Changed(State.MASTER, State.FAULT, "interface eth0 is down"),
    )
    assert router.deadline is None
    router, actions = step(VR, router, Faults(frozenset()), 20.0)
    assert actions == (Changed(State.FAULT, State.BACKUP, "recovered: interface eth0 is down"),)
    assert router.deadline == pytest.approx(23.609375)


def test_in_fault_reasons_come_and_go_without_a_transition():
    router, _ = step(VR, backup(), Faults(frozenset({"a"})), 1.0)
    router, actions = step(VR, router, Faults(frozenset({"a", "b"})), 2.0)
    assert (router.faults, actions) == ({"a", "b"}, ())
    assert step(VR, router, heard(200), 3.0) == (router, ())


def test_a_router_started_with_a_fault_begins_in_fault():
    broken, actions = step(VR, begin(VR), Faults(frozenset({"interface eth0 is missing"})), 0.0)
    assert actions == ()
    router, actions = step(VR, broken, Start(), 0.0)
    assert router.state is State.FAULT
    assert actions == (Changed(State.INIT, State.FAULT, "interface eth0 is missing"),)


@pytest.mark.parametrize("vr", [VR, OWNER])
def test_a_fault_does_not_end_what_an_operator_said(vr):
    """The address owner too, which else is master at once."""
    router, _ = step(vr, master(vr), StepDown("an operator", aside=True), 11.0)
    router, _ = step(vr, router, Faults(frozenset({"a"})), 12.0)
    router, _ = step(vr, router, Faults(frozenset()), 13.0)
    router, _ = step(vr, router, heard(50), 14.0)
    assert (router.state, router.aside) == (State.BACKUP, True)
    assert router.deadline > 17.0
    router, _ = step(vr, router, Timeout(), router.deadline)
    assert (router.state, router.aside) == (State.MASTER, False)


def test_stopping_in_fault_sends_nothing():
    router, _ = step(VR, backup(), Faults(frozenset({"a"})), 1.0)
    _, actions = step(VR, router, Stop(), 2.0)
    assert actions == (Changed(State.FAULT, State.INIT, "stopped"),)


# priority and parameters


def test_a_masters_new_priority_is_advertised_at_once():
    router, actions = step(VR, master(), SetPriority(40), 10.5)
    assert (actions, router.deadline) == ((Advertise(40),), 11.5)


def test_a_backups_new_priority_moves_its_timer_by_the_skew():
    before = backup()
    router, actions = step(VR, before, SetPriority(200), 1.0)
    assert actions == ()
    assert router.deadline == pytest.approx(before.deadline - 100 / 256)


def test_a_master_keeps_mastership_over_a_change_of_its_address_list():
    more = replace(VR, addresses=(*VIPS, ip_interface("10.0.0.101/32")))
    router, actions = step(more, master(), Reconfigure(VR), 10.5)
    assert actions == (Advertise(100), Own(more.addresses), Announce())
    assert (router.state, router.deadline) == (State.MASTER, 11.5)


def test_excluded_addresses_move_along():
    vr = replace(VR, excluded_addresses=(ip_interface("2001:db8::1/128"),))
    before = backup(vr)
    _, actions = step(vr, before, Timeout(), before.deadline)
    assert actions[1] == Own((*vr.addresses, *vr.excluded_addresses))


def test_a_backup_with_the_same_timing_does_not_notice_a_reconfiguration():
    before, _ = step(VR, backup(), heard(150), 1.0)
    other = replace(VR, name="other", addresses=(ip_interface("10.0.0.101/32"),))
    assert step(other, before, Reconfigure(VR), 2.0) == (before, ())


def test_a_changed_priority_in_the_file_moves_the_effective_one_along():
    tracked, _ = step(VR, backup(), SetPriority(60), 0.5)
    kept, _ = step(replace(VR, preempt=False), tracked, Reconfigure(VR), 1.0)
    assert kept.priority == 60
    raised, _ = step(replace(VR, priority=120), tracked, Reconfigure(VR), 1.0)
    assert (raised.priority, raised.state) == (80, State.BACKUP)


def test_version_2_skews_by_seconds_whatever_the_interval():
    vr = virtual_router(version=2, advertisement_interval=10.0, family=Family.IPV4)
    assert backup(vr).deadline == pytest.approx(30.609375)
