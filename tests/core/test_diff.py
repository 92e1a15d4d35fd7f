"""core.diff: what is sent turns one table into the other, in an order that never blackholes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lvsha.core import diff
from lvsha.core.commands import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    SetDestination,
    SetService,
    place,
)
from lvsha.core.types import ServiceEntry
from tests.tables import tables


@given(tables(), tables())
def test_applying_the_commands_to_the_actual_table_gives_the_wanted_one(wanted, actual):
    commands = diff.commands(wanted, actual, owned=actual.keys())
    assert diff.applied(actual, commands) == wanted


@given(tables())
def test_equal_tables_need_no_command(table):
    assert diff.commands(table, table, owned=table.keys()) == ()


@given(tables(), tables())
def test_services_that_are_neither_wanted_nor_owned_are_never_touched(wanted, actual):
    foreign = actual.keys() - wanted.keys()
    touched = {place(command)[0] for command in diff.commands(wanted, actual, owned=frozenset())}
    assert not touched & foreign


@given(tables(), tables())
def test_a_service_exists_whenever_a_command_names_a_destination_of_it(wanted, actual):
    present = set(actual)
    for command in diff.commands(wanted, actual, owned=actual.keys()):
        match command:
            case AddService(service):
                assert service.key not in present
                present.add(service.key)
            case DeleteService(key):
                present.remove(key)
            case SetService(service):
                assert service.key in present
            case AddDestination(key) | SetDestination(key) | DeleteDestination(key):
                assert key in present


@given(tables(), tables())
def test_nothing_is_taken_away_before_everything_that_serves_is_there(wanted, actual):
    ranks = [diff.rank(command) for command in diff.commands(wanted, actual, actual.keys())]
    assert ranks == sorted(ranks)


@given(tables(), st.randoms())
def test_destinations_are_added_in_one_order_whatever_order_the_plan_has(wanted, random):
    def shuffled(entry):
        items = list(entry.destinations.items())
        random.shuffle(items)
        return ServiceEntry(entry.service, dict(items))

    other = {key: shuffled(entry) for key, entry in wanted.items()}
    assert diff.commands(other, {}) == diff.commands(wanted, {})


@given(tables(), tables())
def test_the_table_given_is_left_as_it_was(wanted, actual):
    before = {k: ServiceEntry(e.service, dict(e.destinations)) for k, e in actual.items()}
    diff.applied(actual, diff.commands(wanted, actual, actual.keys()))
    assert actual == before
