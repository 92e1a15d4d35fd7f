"""What the VRRP process notices about itself, and what it does not repeat."""

from __future__ import annotations

from lvsha.vrrp.observations import SUBJECTS, WINDOW, Lateness, OncePerMinute


def test_quantiles_are_of_the_newest_advertisements_only():
    lateness = Lateness()
    assert lateness.quantiles() == {}
    for _ in range(WINDOW):
        lateness.add(9.0)
    for number in range(WINDOW):
        lateness.add(number / WINDOW)
    found = lateness.quantiles()
    assert (round(found["0.5"], 2), round(found["0.99"], 2)) == (0.5, 0.99)
    assert found["1"] == (WINDOW - 1) / WINDOW


def test_a_flood_of_subjects_is_cut_off_until_the_minute_is_over():
    once = OncePerMinute()
    assert sum(once.allows(number, 1.0) for number in range(10_000)) == SUBJECTS
    assert once.allows("later", 61.0)


def test_each_subject_is_let_through_once_a_minute():
    once = OncePerMinute()
    asked = [(subject, once.allows(subject, at)) for at in (0.0, 59.9, 60.0) for subject in "ab"]
    assert asked == [
        ("a", True), ("b", True), ("a", False), ("b", False), ("a", True), ("b", True),
    ]  # fmt: skip
