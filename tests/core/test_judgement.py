"""The whole judgement: random results of several checks against a model that replays them all."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from lvsha.core.combine import combine
from lvsha.core.damping import Record, held, noted
from lvsha.core.health import Health, Measured, Outcome, ProbeResult, judge
from lvsha.core.plan import Check, Damping, Required
from lvsha.core.probes import TcpProbe

UNKNOWN, UP, DOWN = Measured.UNKNOWN, Measured.UP, Measured.DOWN
LETTERS = {"+": Outcome.PASS, "-": Outcome.FAIL, "?": Outcome.INCONCLUSIVE}
CHECKS = [
    Check(TcpProbe(), ip_address("192.0.2.1"), 80 + n, rise=rise, fall=fall)
    for n, (rise, fall) in enumerate([(1, 1), (2, 3), (3, 2)])
]
Results = list[tuple[int, str]]
RESULTS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from("+-?")), max_size=60)


def model(check: Check, letters: str) -> Measured:
    """What the letters amount to, by their tail since the last change of mind."""
    measured, heard = UNKNOWN, ""
    for letter in letters.replace("?", ""):
        heard += letter
        if measured is UNKNOWN:
            measured, heard = (UP if letter == "+" else DOWN), ""
        elif measured is UP and heard.endswith("-" * check.fall):
            measured, heard = DOWN, ""
        elif measured is DOWN and heard.endswith("+" * check.rise):
            measured, heard = UP, ""
    return measured


def model_of_all(required: Required, results: Results) -> Measured:
    """By the question: can the undecided still turn it?"""
    parts = [
        model(check, "".join(letter for place, letter in results if place == n))
        for n, check in enumerate(CHECKS)
    ]
    judged = all if required is Required.ALL else any
    best = judged(part is not DOWN for part in parts)
    worst = judged(part is UP for part in parts)
    return UNKNOWN if best != worst else UP if best else DOWN


@given(results=RESULTS, required=st.sampled_from(Required))
def test_several_checks_come_to_what_a_replay_of_all_results_says(
    results: Results, required: Required
) -> None:
    """After every single result."""
    found = [Health()] * len(CHECKS)
    health = None
    for at, (place, letter) in enumerate(results, start=1):
        result = ProbeResult(LETTERS[letter], letter, 0.001, float(at))
        found[place] = judge(CHECKS[place], found[place], result)
        health = combine(required, CHECKS, found, health)
        assert health.measured is model_of_all(required, results[:at])


@given(results=RESULTS, transitions=st.integers(2, 4))
def test_a_damped_server_is_up_only_where_its_checks_are_and_nothing_holds_it(
    results: Results, transitions: int
) -> None:
    """One result a second; the model counts the changes of the replay itself."""
    damping = Damping(transitions, window=20.0, hold=15.0)
    record, found, health = Record(), [Health()] * len(CHECKS), Health()
    changes: list[float] = []
    until = 0.0
    for at, (place, letter) in enumerate(results, start=1):
        now = float(at)
        if record.held_until is not None and record.held_until <= now:
            record = Record()
        result = ProbeResult(LETTERS[letter], letter, 0.001, now)
        found[place] = judge(CHECKS[place], found[place], result)
        before, health = health, combine(Required.ALL, CHECKS, found, health)
        record = noted(damping, record, before.measured, health.measured, now)

        was, is_ = (model_of_all(Required.ALL, results[:n]) for n in (at - 1, at))
        if now >= until and was is not is_ and UNKNOWN not in (was, is_):
            changes = [each for each in changes if each > now - 20] + [now]
            if len(changes) >= transitions:
                changes, until = [], now + 15
        shown = health
        if record.held_until is not None:
            shown = held(damping, record, health, 0.0, now)
        assert shown.measured is (DOWN if now < until else is_)
