"""What tracked things make of a priority, and when they are a fault."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lvsha.core.tracking import (
    UNKNOWN,
    Effect,
    Finding,
    Judgement,
    Track,
    TrackedFile,
    TrackedInterface,
    TrackedScript,
    TrackedService,
    Verdict,
    effect,
    judge,
    moved,
)

LINK, HTTP, HOLD = TrackedInterface("eth1"), TrackedService("http"), TrackedFile("/hold")
SCRIPT = TrackedScript(("/bin/ok",), rise=2, fall=3)
WELL, ILL = Finding(Verdict.WELL, "is up"), Finding(Verdict.ILL, "is down")


def come(*tracks, priority=100, **found):
    names = {"link": LINK, "http": HTTP, "hold": HOLD}
    return effect(priority, tracks, {names[name]: each for name, each in found.items()})


def test_what_has_no_weight_is_a_fault_while_it_is_ill():
    assert come(Track(LINK), link=ILL) == Effect(100, frozenset({"interface eth1 is down"}))
    assert come(Track(LINK), link=WELL) == Effect(100)


def test_a_negative_weight_counts_while_its_target_is_ill():
    assert come(Track(HTTP, -60), http=ILL) == Effect(40)
    assert come(Track(HTTP, -60), http=WELL) == Effect(100)


def test_a_positive_weight_counts_while_its_target_is_well():
    assert come(Track(HTTP, 20), http=ILL) == Effect(100)
    assert come(Track(HTTP, 20), http=WELL) == Effect(120)


def test_what_nobody_could_judge_counts_for_nothing():
    tracks = (Track(LINK), Track(HTTP, -60), Track(HOLD, -50))
    assert effect(100, tracks, {}) == Effect(100)
    assert come(Track(HTTP, 20), http=UNKNOWN) == Effect(100)


def test_a_files_number_is_multiplied_with_its_weight():
    assert come(Track(HOLD, -50), hold=Finding(Verdict.ILL, "says 1", 1)) == Effect(50)
    assert come(Track(HOLD, 5), hold=Finding(Verdict.ILL, "says -3", -3)) == Effect(85)
    assert come(Track(HOLD, 5), hold=Finding(Verdict.WELL, "says 0", 0)) == Effect(100)


def test_a_files_number_too_bad_for_any_weight_is_a_fault():
    found = come(Track(HOLD, -50), hold=Finding(Verdict.ILL, "says 6", 6))
    assert found == Effect(100, frozenset({"file /hold says 6"}))


def test_a_file_without_weight_is_a_fault_unless_it_is_0():
    assert come(Track(HOLD), hold=Finding(Verdict.ILL, "says 1", 1)).faults == {"file /hold says 1"}
    assert come(Track(HOLD), hold=Finding(Verdict.WELL, "says 0")).faults == frozenset()


def test_the_address_owner_ignores_weights_but_not_faults():
    found = come(Track(HTTP, -60), Track(LINK), priority=255, http=ILL, link=ILL)
    assert found == Effect(255, frozenset({"interface eth1 is down"}))


weights = st.one_of(st.none(), st.integers(-253, 253).filter(bool))
findings = st.builds(Finding, st.sampled_from(Verdict), st.text(max_size=3), st.integers(-300, 300))


@given(
    st.integers(1, 254),
    st.lists(st.tuples(st.sampled_from([LINK, HTTP, HOLD, SCRIPT]), weights), max_size=6),
    st.dictionaries(st.sampled_from([LINK, HTTP, HOLD, SCRIPT]), findings),
)
def test_an_effective_priority_stays_between_1_and_254(priority, tracks, found):
    come = effect(priority, [Track(*track) for track in tracks], found)
    assert 1 <= come.priority <= 254


@given(st.integers(1, 254), st.integers(-100, 100), st.integers(1, 254))
def test_another_priority_in_the_file_keeps_what_was_added(old, added, new):
    effective = max(1, min(254, old + added))
    if 1 < effective < 254:
        assert moved(effective, old, new) == max(1, min(254, new + added))


def judged(*verdicts):
    judgement = Judgement()
    for verdict in verdicts:
        judgement = judge(SCRIPT, judgement, verdict, verdict.value)
    return judgement.finding.verdict


W, I, U = Verdict.WELL, Verdict.ILL, Verdict.UNKNOWN  # noqa: E741


def test_a_scripts_first_result_decides():
    assert judged(W) is W
    assert judged(I) is I
    assert judged(U) is U


def test_then_rise_and_fall_results_in_a_row_count():
    assert judged(W, I, I) is W
    assert judged(W, I, I, I) is I
    assert judged(I, W) is I
    assert judged(I, W, W) is W


def test_a_result_that_agrees_starts_the_row_anew():
    assert judged(W, I, I, W, I, I) is W


def test_not_knowing_changes_nothing():
    assert judged(W, I, U, U, I, U) is W
    assert judged(W, I, U, I, U, I) is I
