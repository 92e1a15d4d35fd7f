"""Damping: tables, then random changes against a reference that keeps everything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lvsha.core.damping import Record, held, noted
from lvsha.core.health import Admin, Advice, Health, Measured
from lvsha.core.plan import Damping

UNKNOWN, UP, DOWN = Measured.UNKNOWN, Measured.UP, Measured.DOWN
THREE = Damping(transitions=3, window=10.0, hold=30.0)


def after(*times: float, damping: Damping = THREE) -> Record:
    """The record of a server that goes down, up, down … at these times."""
    record = Record()
    for number, at in enumerate(times):
        old, new = (UP, DOWN) if number % 2 == 0 else (DOWN, UP)
        record = noted(damping, record, old, new, at)
    return record


def test_so_many_changes_in_the_window_hold_a_server() -> None:
    assert after(1, 2) == Record((1, 2))
    assert after(1, 2, 3) == Record(held_until=33)


def test_changes_older_than_the_window_do_not_count() -> None:
    assert after(1, 2, 11) == Record((2, 11))
    assert after(1, 2, 10.9) == Record(held_until=40.9)


def test_nothing_counts_while_a_server_is_held() -> None:
    assert after(1, 2, 3, 4, 5, 6) == Record(held_until=33)


def test_a_first_verdict_is_no_change() -> None:
    assert noted(THREE, Record(), UNKNOWN, UP, 1.0) == Record()
    assert noted(THREE, Record(), UP, UNKNOWN, 1.0) == Record()
    assert noted(THREE, Record(), DOWN, DOWN, 1.0) == Record()


def test_what_is_held_is_down_and_says_why_and_for_how_long() -> None:
    found = Health(UP, 0, 9.0, "connected", Advice(admin=Admin.DRAIN))
    message = "held down for 20 s more after 3 changes in 10 s; connected"
    shown = Health(DOWN, 0, 3.0, message, Advice(admin=Admin.DRAIN))
    assert held(THREE, Record(held_until=33), found, 3.0, 13.0) == shown


@given(
    gaps=st.lists(st.integers(1, 12), max_size=60),
    transitions=st.integers(2, 6),
    window=st.integers(1, 30),
    hold=st.integers(1, 30),
)
def test_damping_agrees_with_a_reference_that_keeps_every_change(
    gaps: list[int], transitions: int, window: int, hold: int
) -> None:
    """Let go as soon as the time is over, at the first change after it here."""
    damping = Damping(transitions, window, hold)
    record, history, until, now = Record(), [], 0, 0
    for number, gap in enumerate(gaps):
        now += gap
        if record.held_until is not None and record.held_until <= now:
            record = Record()
        old, new = (UP, DOWN) if number % 2 == 0 else (DOWN, UP)
        record = noted(damping, record, old, new, now)
        if now >= until:
            history.append(now)
            if len([at for at in history if at > now - window]) >= transitions:
                history, until = [], now + hold
        assert (record.held_until is not None) == (now < until)
