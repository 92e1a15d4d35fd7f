"""What a sync group decides by its members' states."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from lvsha.core.groups import NOTHING, Verb, Word, decide, shared_faults, shared_tracks
from lvsha.core.mastership import Router, State
from lvsha.core.plan import SyncGroup, VrrpPlan
from lvsha.core.tracking import Track, TrackedInterface
from tests.simulation import virtual_router

PEER = ip_address("10.0.0.2")
FRESH = Router(100, 1.0, State.BACKUP, deadline=3.6)
BEHIND = replace(FRESH, master=PEER)
DUE = replace(FRESH, due=True)
MASTER = Router(100, 1.0, State.MASTER, deadline=1.0, master=ip_address("10.0.0.1"))
FAULT = Router(100, 1.0, State.FAULT)


def test_one_whose_time_has_come_waits_for_the_others():
    assert decide("both", {"a": DUE, "b": BEHIND}) == NOTHING
    assert decide("both", {"a": DUE, "b": FRESH}) == NOTHING


def test_when_the_time_of_all_has_come_all_take_over():
    word = Word(Verb.TAKE_OVER, ("a", "b"), "all of sync group both are to be master")
    assert decide("both", {"a": DUE, "b": DUE}) == word


def test_one_that_joins_masters_becomes_one_when_its_time_has_come():
    assert decide("both", {"a": MASTER, "b": FRESH}) == NOTHING
    assert decide("both", {"a": MASTER, "b": DUE}).members == ("b",)


def test_where_one_has_lost_the_others_step_down():
    word = decide("both", {"a": MASTER, "b": BEHIND})
    assert word == Word(Verb.STEP_DOWN, ("a",), "sync group both: b is not master")
    assert decide("both", {"a": MASTER, "b": FAULT}).verb is Verb.STEP_DOWN


def test_all_master_or_none_is_left_alone():
    assert decide("both", {"a": MASTER, "b": MASTER}) == NOTHING
    assert decide("both", {"a": BEHIND, "b": BEHIND}) == NOTHING


def test_a_fault_of_one_is_a_fault_of_all_and_says_whose():
    own = {"a": frozenset({"interface eth1 is down"}), "b": frozenset(), "c": frozenset()}
    said = frozenset({"sync group all: a: interface eth1 is down"})
    assert shared_faults("all", own) == {"a": frozenset(), "b": said, "c": said}


def test_what_all_suffer_from_is_not_said_of_each_other():
    own = {name: frozenset({"director is not running"}) for name in "ab"}
    assert shared_faults("both", own) == {"a": frozenset(), "b": frozenset()}


def test_what_one_tracks_counts_once_for_all():
    eth1, eth2 = (Track(TrackedInterface(name), -20) for name in ("eth1", "eth2"))
    routers = (
        virtual_router("a", tracks=(eth1,)),
        virtual_router("b", tracks=(eth2, eth1)),
        virtual_router("c", tracks=(eth2,)),
    )
    plan = VrrpPlan("web", "lb1", routers, (SyncGroup("both", ("a", "b")),))
    assert shared_tracks(plan) == {"a": (eth1, eth2), "b": (eth1, eth2), "c": (eth2,)}
