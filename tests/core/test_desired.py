"""core.desired and core.places: standing of the servers → the table, and how `mh` is told."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsha.core import desired, diff
from lvsha.core.balance import Role, Standing
from lvsha.core.commands import AddDestination, DeleteDestination, SetDestination
from lvsha.core.desired import View, all_up
from lvsha.core.places import with_places
from lvsha.core.plan import DirectorPlan, RealServer, VirtualService
from lvsha.core.types import (
    Destination,
    Forwarding,
    OnFailure,
    Protocol,
    Service,
    ServiceEntry,
    ServiceKey,
)

KEY = ServiceKey(Protocol.TCP, ip_address("192.0.2.1"), 80)


def server(number: int, weight: int = 3) -> RealServer:
    return RealServer(ip_address(f"10.0.0.{number}"), 80, Forwarding.DR, weight)


A, B, C = server(1), server(2), server(3)
WEB = VirtualService("web", Service(KEY), (A, B), backups=((C,),))
QUIET = replace(WEB, on_failure=OnFailure.QUIESCE)
HASHED = replace(WEB, service=Service(KEY, "mh"), backups=())
FOUND = Destination(A.key, weight=7)


@pytest.mark.parametrize(
    ("role", "service", "found", "weight"),
    [
        (Role.SERVE, WEB, None, 2),
        (Role.SERVE, WEB, FOUND, 2),
        (Role.KEEP, WEB, FOUND, 7),
        (Role.KEEP, WEB, None, None),
        (Role.KEEP, QUIET, None, 0),
        (Role.DRAIN, WEB, FOUND, 0),
        (Role.DRAIN, WEB, None, None),
        (Role.DRAIN, QUIET, None, None),
        (Role.FAIL, WEB, FOUND, None),
        (Role.FAIL, QUIET, FOUND, 0),
        (Role.OUT, WEB, FOUND, None),
        (Role.OUT, QUIET, FOUND, None),
    ],
)
def test_a_role_makes_a_destination(role, service, found, weight):
    wanted = desired.destination(service, A, Standing(role, 2), found)
    assert (wanted.weight if wanted else None) == weight


@pytest.mark.parametrize("role", set(Role) - {Role.SERVE})
def test_mh_takes_nobody_out(role):
    wanted = desired.destination(HASHED, A, Standing(role, 3), None)
    assert wanted is not None
    assert wanted.weight == 0


def test_whoever_has_no_checks_has_everybody_up_but_the_backups():
    (entry,) = desired.build(DirectorPlan("c", "n", (WEB,)), View(all_up), {}).values()
    assert {key: each.weight for key, each in entry.destinations.items()} == {A.key: 3, B.key: 3}


def test_a_service_that_is_not_active_is_not_in_the_table():
    view = View(all_up, is_active=lambda _: False)
    assert desired.build(DirectorPlan("c", "n", (WEB,)), view, {}) == {}


def test_what_leaves_keeps_everything_but_its_weight_and_is_not_added():
    gone = Destination(C.key, weight=9, upper_threshold=5)
    view = View(all_up, leaving=lambda _: [gone.key])
    alone = replace(WEB, backups=())
    held = {KEY: ServiceEntry(WEB.service, {gone.key: gone})}
    wanted = desired.entry(alone, view, held)
    assert wanted.destinations[gone.key] == replace(gone, weight=0)
    assert gone.key not in desired.entry(alone, view, {}).destinations


standings = st.builds(Standing, st.sampled_from(Role), st.integers(0, 3))
founds = st.none() | st.builds(Destination, st.just(A.key), weight=st.integers(0, 3))


@given(st.sampled_from([WEB, QUIET, HASHED]), standings, founds)
def test_asking_again_when_it_is_done_asks_for_nothing_more(service, standing, found):
    wanted = desired.destination(service, A, standing, found)
    assert desired.destination(service, A, standing, wanted) == wanted


@given(st.lists(standings, min_size=3, max_size=3), st.lists(standings, min_size=3, max_size=3))
def test_no_server_is_taken_out_before_all_that_serve_are_in(before, after):
    """Whatever changes at once: a switch between tiers has no empty moment."""
    service = replace(WEB, real_servers=(A, B, C), backups=())

    def table(each):
        chosen = dict(zip((A, B, C), each, strict=True))
        view = View(lambda _, server: chosen[server])
        return desired.build(DirectorPlan("c", "n", (service,)), view, held)

    held = {}
    held = table(before)
    commands = diff.commands(table(after), held)
    serving = {key for key, each in held[KEY].destinations.items() if each.weight}
    at_end = {key for key, each in table(after)[KEY].destinations.items() if each.weight}
    for command in commands:
        match command:
            case AddDestination(_, dest) | SetDestination(_, dest) if dest.weight:
                serving.add(dest.key)
            case SetDestination(_, dest):
                serving.discard(dest.key)
            case DeleteDestination(_, key):
                serving.discard(key)
        if at_end and any(each.weight for each in held[KEY].destinations.values()):
            assert serving


def test_a_server_added_to_mh_while_it_must_not_serve_gets_its_places_first():
    out = replace(_destination(A), weight=0)
    commands = with_places([AddDestination(KEY, out)], {KEY: HASHED})
    assert commands == [AddDestination(KEY, _destination(A)), SetDestination(KEY, out)]


def test_other_commands_and_other_schedulers_are_left_as_they_are():
    out = replace(_destination(A), weight=0)
    plain = [AddDestination(KEY, out)]
    assert with_places(plain, {KEY: QUIET}) == plain
    assert with_places(plain, {}) == plain
    others = [SetDestination(KEY, out), AddDestination(KEY, _destination(B))]
    assert with_places(others, {KEY: HASHED}) == others


def test_a_server_of_weight_0_in_the_file_has_no_places_in_mh():
    idle = replace(HASHED, real_servers=(server(1, weight=0),))
    plain = [AddDestination(KEY, replace(_destination(A), weight=0))]
    assert with_places(plain, {KEY: idle}) == plain


def _destination(server: RealServer) -> Destination:
    return Destination(server.key, server.forwarding, server.weight)
