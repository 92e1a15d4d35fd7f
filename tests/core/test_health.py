"""Judging: table, then the whole against a model that remembers everything."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsha.core.health import Admin, Advice, Health, Measured, Outcome, ProbeResult, judge
from lvsha.core.plan import Check
from lvsha.core.probes import TcpProbe

UNKNOWN, UP, DOWN = Measured.UNKNOWN, Measured.UP, Measured.DOWN
LETTERS = {"+": Outcome.PASS, "-": Outcome.FAIL, "?": Outcome.INCONCLUSIVE}


def check(rise: int = 2, fall: int = 3) -> Check:
    return Check(TcpProbe(), ip_address("192.0.2.1"), 80, rise=rise, fall=fall)


def after(results: str, rise: int = 2, fall: int = 3) -> Health:
    """Health after results written as + - ?, the nth at n seconds past the epoch."""
    health = Health(since=0.5)
    for at, letter in enumerate(results, start=1):
        result = ProbeResult(LETTERS[letter], f"result {at}", 0.001, float(at))
        health = judge(check(rise, fall), health, result)
    return health


@pytest.mark.parametrize(
    ("results", "measured", "streak", "since", "message"),
    [
        ("", UNKNOWN, 0, 0.5, "not checked yet"),
        ("?", UNKNOWN, 0, 0.5, "result 1"),
        ("+", UP, 0, 1, "result 1"),
        ("-", DOWN, 0, 1, "result 1"),
        ("?-", DOWN, 0, 2, "result 2"),
        ("+--", UP, 2, 1, "result 3"),
        ("+---", DOWN, 0, 4, "result 4"),
        ("+--+--", UP, 2, 1, "result 6"),
        ("+--?-", DOWN, 0, 5, "result 5"),
        ("+--?", UP, 2, 1, "result 4"),
        ("-+", DOWN, 1, 1, "result 2"),
        ("-++", UP, 0, 3, "result 3"),
        ("-+-+", DOWN, 1, 1, "result 4"),
        ("-+?+", UP, 0, 4, "result 4"),
        ("++++", UP, 0, 1, "result 4"),
    ],
)
def test_results_lead_to_health(
    results: str, measured: Measured, streak: int, since: float, message: str
) -> None:
    """With rise 2 and fall 3, these results lead to exactly this health."""
    assert after(results) == Health(measured, streak, since, message)


def test_one_result_changes_everything_when_rise_and_fall_are_one() -> None:
    """With rise 1 and fall 1 the latest conclusive result is the health."""
    assert after("+-", 1, 1).measured is DOWN
    assert after("+-+", 1, 1).measured is UP
    assert after("+-?", 1, 1).measured is DOWN


@given(
    results=st.text(alphabet="+-?", max_size=60),
    rise=st.integers(1, 5),
    fall=st.integers(1, 5),
)
def test_judging_agrees_with_a_model_that_remembers_every_result(
    results: str, rise: int, fall: int
) -> None:
    """Replaying the whole history with string searches gives the same state and time of change."""
    assert (after(results, rise, fall).measured, after(results, rise, fall).since) == _model(
        results, rise, fall
    )


def _model(results: str, rise: int, fall: int) -> tuple[Measured, float]:
    """UP and DOWN by the tail of the conclusive results since the last change."""
    measured, since, heard = UNKNOWN, 0.5, ""
    for at, letter in enumerate(results, start=1):
        heard += letter.replace("?", "")
        tipped = {
            UNKNOWN: {"+": UP, "-": DOWN}.get(heard[-1:]),
            UP: DOWN if heard.endswith("-" * fall) else None,
            DOWN: UP if heard.endswith("+" * rise) else None,
        }[measured]
        if tipped:
            measured, since, heard = tipped, float(at), ""
    return measured, since


@given(results=st.text(alphabet="+-?", max_size=40), rise=st.integers(1, 5), fall=st.integers(1, 5))
def test_the_streak_stays_below_what_would_turn_it(results: str, rise: int, fall: int) -> None:
    """A streak that reached its limit would have changed the state."""
    health = after(results, rise, fall)
    assert health.streak < {UNKNOWN: 1, UP: fall, DOWN: rise}[health.measured]


def advised(*steps: tuple[str, Advice | None]) -> Health:
    """Health after results with advice."""
    health = Health()
    for letter, advice in steps:
        result = ProbeResult(LETTERS[letter], "", 0.001, 1.0, advice)
        health = judge(check(), health, result)
    return health


def test_advice_is_taken_at_once_whatever_is_believed() -> None:
    """No rise and no fall: it says what a target wants, not how it is."""
    drain = Advice(admin=Admin.DRAIN)
    assert advised(("+", None), ("-", drain)) == Health(UP, 1, 1.0, "", drain)


def test_advice_holds_until_something_else_is_advised() -> None:
    """A later word on the weight leaves the word on the administrative state standing."""
    health = advised(
        ("+", Advice(weight_percent=50, admin=Admin.DRAIN)),
        ("+", None),
        ("?", Advice(weight=0)),
        ("-", Advice(weight=7)),
    )
    assert health.advice == Advice(weight=7, admin=Admin.DRAIN)


def test_a_share_takes_the_place_of_a_weight() -> None:
    """Only one of them is meant at a time; the latest."""
    health = advised(("+", Advice(weight=7)), ("+", Advice(weight_percent=0)))
    assert health.advice == Advice(weight_percent=0)
