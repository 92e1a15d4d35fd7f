"""Every interval rule of a check, under virtual time: when the next probe starts after which."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest

from lvsha.core.plan import Check
from lvsha.director.checker import TOGETHER, Checkers
from tests.shell.test_checker import Bench, Script, server

pytestmark = pytest.mark.looptime

PACED = replace(server(interval=10.0), interval_down=5.0, interval_transition=1.0)


async def pauses(check: Check, answers: str, takes: float = 0.001) -> list[float]:
    """Whole seconds from each start to the next, but for the first, which finds its place."""
    bench = Bench(Script(answers, takes))
    await bench.run([check], 11.0 * len(answers))
    await bench.checkers.close()
    starts = bench.script.starts[check][: len(answers) + 1]
    return [round(after - before, 1) for before, after in pairwise(starts)][1:]


async def test_without_further_keys_every_pause_is_the_interval() -> None:
    assert await pauses(server(interval=10.0), "++-+---+-++") == [10.0] * 10


async def test_a_target_that_is_down_has_its_own_interval() -> None:
    check = replace(server(interval=10.0, rise=1, fall=1), interval_down=5.0)
    assert await pauses(check, "++-+--+") == [10, 5, 10, 5, 5, 10]


async def test_while_fall_is_counted_the_transition_interval_holds() -> None:
    """fall 3: two failures are a transition, the third decides."""
    assert await pauses(PACED, "++---") == [10, 1, 1, 5]


async def test_a_failure_that_passes_ends_the_transition() -> None:
    assert await pauses(PACED, "++-+-+") == [10, 1, 10, 1, 10]


async def test_while_rise_is_counted_the_transition_interval_holds() -> None:
    """rise 2: one pass is a transition, the second decides."""
    assert await pauses(PACED, "--+-++") == [5, 1, 5, 1, 10]


async def test_a_result_that_says_nothing_changes_no_pace() -> None:
    assert await pauses(PACED, "++?-?") == [10, 10, 1, 1]
    assert await pauses(PACED, "--?") == [5, 5]


async def test_without_a_transition_interval_the_interval_of_the_state_does_not_hold_in_it() -> (
    None
):
    """A down target that passes is asked again after the interval, not after interval_down."""
    check = replace(server(interval=10.0), interval_down=5.0)
    assert await pauses(check, "--+-++") == [5, 10, 5, 10, 10]


async def test_a_probe_longer_than_the_pause_delays_the_next_to_its_end() -> None:
    check = replace(server(interval=10.0, fall=5), interval_transition=1.0)
    assert await pauses(check, "++--", takes=2.3) == [10, 2.3, 2.3]


async def test_the_first_verdict_may_shorten_the_way_to_its_own_place() -> None:
    """A target found down is not left alone for a whole interval where interval_down is short."""
    check = replace(server(interval=3600.0), interval_down=0.5)
    bench = Bench(Script("-"))
    await bench.run([check], 0.5 + 3 * TOGETHER)
    assert len(bench.script.starts[check]) == 2
    await bench.checkers.close()


async def run_with_chance(chance: list[float], jitter: int) -> list[float]:
    """Pauses of a check every 10 s with these chances."""
    check = replace(server(interval=10.0), jitter=jitter)
    script = Script()
    draws = iter(chance)
    checkers = Checkers(script, lambda *_: None, 10, script.clock, lambda: next(draws, 0.5))
    checkers.update([check])
    await asyncio.sleep(10.0 * (len(chance) + 3))
    await checkers.close()
    starts = script.starts[check][1 : len(chance) + 2]
    return [round(after - before, 1) for before, after in pairwise(starts)]


async def test_jitter_makes_a_start_early_or_late_by_its_percentage_at_most() -> None:
    assert await run_with_chance([0.5, 0.0, 1.0, 0.25, 0.5], 20) == [8.0, 12.0, 9.0, 10.0, 10.0]


async def test_without_jitter_chance_is_not_asked() -> None:
    assert await run_with_chance([0.0, 1.0, 0.0], 0) == [10.0, 10.0, 10.0]
