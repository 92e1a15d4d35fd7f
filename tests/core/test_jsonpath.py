"""core.jsonpath: one value of a document, or none."""

from __future__ import annotations

import pytest

from lvsha.core.jsonpath import NOTHING, same, steps, value_at

DOCUMENT = {"status": "ok", "parts": [{"up": True, "a b": None}, 2], "": 0}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", DOCUMENT),
        ("$.status", "ok"),
        ("$.parts[0].up", True),
        ('$.parts[0]["a b"]', None),
        ("$.parts[1]", 2),
        ("$.parts[2]", NOTHING),
        ("$.parts.up", NOTHING),
        ("$.status[0]", NOTHING),
        ("$.status.ok", NOTHING),
        ("$[0]", NOTHING),
        ("$.nothing", NOTHING),
    ],
)
def test_a_path_leads_to_one_value_or_none(path: str, value: object) -> None:
    assert value_at(DOCUMENT, steps(path)) == value


@pytest.mark.parametrize(
    "path",
    ["", "status", "$.", "$..a", "$.*", "$[*]", "$[-1]", "$[01]", "$[a]", '$["', '$[""]', "$.a b"],
)
def test_what_is_no_path_of_ours_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        steps(path)


@pytest.mark.parametrize(
    ("found", "wanted", "equal"),
    [
        (1, 1.0, True),
        ("1", 1, False),
        (True, 1, False),
        (0, False, False),
        (True, True, True),
        (None, False, False),
        ([1], 1, False),
    ],
)
def test_values_are_the_same_as_json_means_it(found: object, wanted: object, equal: bool) -> None:
    assert same(found, wanted) is equal
