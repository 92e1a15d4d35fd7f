"""Several checks of one server, combined: tables, then against a reference that tries all ends."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsha.core.combine import combine, decided
from lvsha.core.health import Admin, Advice, Health, Measured
from lvsha.core.plan import Check, Required
from lvsha.core.probes import AgentProbe, HttpProbe, Probe, TcpProbe

UNKNOWN, UP, DOWN = Measured.UNKNOWN, Measured.UP, Measured.DOWN
ALL, ANY = Required.ALL, Required.ANY
LETTERS = {"?": UNKNOWN, "+": UP, "-": DOWN}


def check(probe: Probe, port: int = 80) -> Check:
    return Check(probe, ip_address("192.0.2.1"), port)


TCP, HTTP, AGENT = check(TcpProbe()), check(HttpProbe()), check(AgentProbe())


@pytest.mark.parametrize(
    ("required", "found", "expected"),
    [
        (ALL, "++", UP),
        (ALL, "+-", DOWN),
        (ALL, "?-", DOWN),
        (ALL, "?+", UNKNOWN),
        (ALL, "??", UNKNOWN),
        (ANY, "+-", UP),
        (ANY, "?+", UP),
        (ANY, "--", DOWN),
        (ANY, "?-", UNKNOWN),
        (ANY, "??", UNKNOWN),
    ],
)
def test_enough_decided_checks_decide(required: Required, found: str, expected: Measured) -> None:
    assert decided(required, [LETTERS[letter] for letter in found]) is expected


@given(st.sampled_from(Required), st.lists(st.sampled_from(Measured), min_size=1, max_size=6))
def test_it_is_known_as_soon_as_no_end_of_the_undecided_could_turn_it(
    required: Required, found: list[Measured]
) -> None:
    """Every way the undecided may still end is tried: one answer is the answer, two are none."""
    pick = all if required is ALL else any
    ends = product(*[(UP, DOWN) if each is UNKNOWN else (each,) for each in found])
    answers = {pick(each is UP for each in end) for end in ends}
    expected = UNKNOWN if len(answers) > 1 else UP if answers == {True} else DOWN
    assert decided(required, found) is expected


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([UP, DOWN])), max_size=30))
def test_since_is_when_the_answer_last_changed(steps: list[tuple[int, Measured]]) -> None:
    """A history of single changes gives the time of the last change of the whole."""
    checks = [check(TcpProbe(), port) for port in (1, 2, 3)]
    found = [Health(UP, since=0.0)] * 3
    health, expected = combine(ALL, checks, found, None), 0.0
    for at, (place, measured) in enumerate(steps, start=1):
        if found[place].measured is not measured:
            found[place] = Health(measured, since=float(at))
        before, health = health, combine(ALL, checks, found, health)
        if before.measured is not health.measured:
            expected = float(at)
        assert (health.measured is UP) == all(each.measured is UP for each in found)
        assert health.since == expected


def test_the_message_names_the_check_that_failed() -> None:
    found = [Health(UP, message="connected"), Health(DOWN, message="HTTP 500")]
    assert combine(ALL, [TCP, HTTP], found, None).message == "http GET /: HTTP 500"


def test_where_one_suffices_the_message_names_those_that_failed_too() -> None:
    found = [Health(DOWN, message="connection refused"), Health(UP, message="HTTP 200")]
    message = "tcp: connection refused; http GET /: HTTP 200"
    assert combine(ANY, [TCP, HTTP], found, None).message == message


def test_checks_of_one_name_are_told_apart_by_their_target() -> None:
    found = [Health(UP, message="connected"), Health(DOWN, message="connection refused")]
    message = "tcp at 192.0.2.1:81: connection refused"
    assert combine(ALL, [TCP, check(TcpProbe(), 81)], found, None).message == message


def test_an_agent_never_heard_is_not_waited_for() -> None:
    """An unreachable agent is no failure, and no reason to know nothing either."""
    found = [Health(UP, message="connected"), Health(message="the agent could not be heard")]
    assert combine(ALL, [TCP, AGENT], found, None).measured is UP
    assert combine(ALL, [AGENT], [Health()], None).measured is UNKNOWN


def test_of_several_advices_the_first_weight_and_the_severest_state_count() -> None:
    found = [
        Health(UP, advice=Advice(admin=Admin.DRAIN)),
        Health(UP, advice=Advice(weight_percent=50, admin=Admin.ENABLED)),
        Health(UP, advice=Advice(weight=7)),
    ]
    advice = combine(ALL, [TCP, HTTP, AGENT], found, None).advice
    assert advice == Advice(weight_percent=50, admin=Admin.DRAIN)
