"""HAProxy's words of an agent, understood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsha.core.agent import Said, understand
from lvsha.core.health import Admin, Advice


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("up", Said(up=True)),
        ("down", Said(up=False)),
        ("failed", Said(up=False)),
        ("stopped", Said(up=False)),
        ("fail", Said(up=False)),
        ("down #disk full, sorry", Said(up=False, reason="disk full, sorry")),
        ("75%", Said(advice=Advice(weight_percent=75))),
        ("0%", Said(advice=Advice(weight_percent=0))),
        ("250%", Said(advice=Advice(weight_percent=250))),
        ("ready", Said(advice=Advice(admin=Admin.ENABLED))),
        ("drain", Said(advice=Advice(admin=Admin.DRAIN))),
        ("maint", Said(advice=Advice(admin=Admin.DISABLED))),
        ("maxconn:30", Said()),
        ("up ready 50%", Said(True, Advice(50, None, Admin.ENABLED))),
        (" Ready,UP\t, 50% ", Said(True, Advice(50, None, Admin.ENABLED))),
        ("up down", Said(up=False)),
    ],
)
def test_a_line_means_what_haproxy_takes_it_for(line: str, said: Said) -> None:
    """Words in any order and case, divided by blanks, tabs or commas; of two the later counts."""
    assert understand(line) == said


@pytest.mark.parametrize(
    ("line", "word"),
    [("", "''"), ("75", "'75'"), ("-5%", "'-5%'"), ("up 7.5%", "'7.5%'"), ("Hello", "'hello'")],
)
def test_a_line_with_another_word_is_not_understood_at_all(line: str, word: str) -> None:
    with pytest.raises(ValueError, match=f"^{word} is not an agent's word$"):
        understand(line)


@given(st.text(max_size=40))
def test_any_text_is_understood_or_refused(line: str) -> None:
    """No other exception than ValueError, and no weight that is none."""
    try:
        said = understand(line)
    except ValueError:
        return
    if said.advice is not None and said.advice.weight_percent is not None:
        assert said.advice.weight_percent >= 0
