"""Thousands of generated lines: the real ipvsadm and ours do and say the same."""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random

import pytest

from tests.ipvsadm_words import any_line, listing_line, odd_line, sensible_line
from tests.kernel.ipvsadm_pair import PROGRAMS, Pair, difference, pair, run

pytestmark = [pytest.mark.kernel]

LINES = 40
"""Lines in one restore."""


@pytest.fixture(scope="module")
def both() -> Iterator[Pair]:
    with pair() as standing:
        yield standing


def restore_text(rng: Random) -> bytes:
    """Mostly sensible lines: one whose words are wrong ends a restore."""
    makers = rng.choices((sensible_line, odd_line, any_line), (97, 2, 1), k=LINES)
    lines = [maker(rng) for maker in makers]
    text = "".join(" ".join(words) + rng.choice(("\n", " \n", "\r\n", "\n\n")) for words in lines)
    return os.fsencode(text.replace("-h", "-n").replace("-v", "-n"))


def check_restores(both: Pair, seed: int, count: int) -> None:
    rng = Random(seed)
    for number in range(count):
        if number % 10 == 0:
            both.clear()
        both.check(["-R"], restore_text(rng))
        both.check(["-Sn"])
        both.check(listing_line(rng))


def check_single_lines(both: Pair, seed: int, count: int) -> None:
    rng = Random(seed)
    both.clear()
    for number in range(count):
        maker = rng.choices((sensible_line, odd_line, any_line, listing_line), (3, 4, 4, 1))[0]
        words = maker(rng)
        if "--nosort" not in words:
            both.check(words)
        if number % 25 == 0:
            both.check(["-Sn"])


@pytest.mark.timeout(180)
def test_generated_restores_do_and_say_what_ipvsadms_do(both: Pair) -> None:
    """Standard error, exit code, saved table and a listing after each are equal."""
    check_restores(both, seed=1, count=50)


@pytest.mark.timeout(180)
def test_generated_commands_do_and_say_what_ipvsadms_do(both: Pair) -> None:
    """Right, wrong and senseless command lines, one by one."""
    check_single_lines(both, seed=2, count=250)


@pytest.mark.timeout(180)
def test_a_generated_restore_through_the_program_itself_is_ipvsadms(both: Pair) -> None:
    """As a process, from standard input to exit code."""
    rng = Random(3)
    text = os.fsencode("".join(" ".join(sensible_line(rng)) + "\n" for _ in range(300)))
    both.clear()
    expected = both.of_real(["-R"], text)
    with both.ours.entered():
        said = run([str(PROGRAMS / "lvsha-ipvsadm"), "-R"], text)
    assert said == expected, difference(["-R"], b"", expected, said)
    both.check(["-Sn"])


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(100, 102))
def test_many_more_generated_restores_and_commands_are_equal(both: Pair, seed: int) -> None:
    """The same with other seeds, at length."""
    check_restores(both, seed, count=200)
    check_single_lines(both, seed, count=1000)
