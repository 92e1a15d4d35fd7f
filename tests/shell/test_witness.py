"""The witness of our own lateness, on a clock that can jump."""

from __future__ import annotations

import asyncio

import pytest

from lvsha.director.witness import STALL, TICK, LagWitness

pytestmark = pytest.mark.looptime


class Clock:
    """The loop's time plus what it stood still."""

    def __init__(self) -> None:
        self.skew = 0.0

    def __call__(self) -> float:
        return asyncio.get_running_loop().time() + self.skew


async def test_a_loop_in_time_has_nothing_to_confess() -> None:
    """No stall, no lag."""
    clock = Clock()
    witness = LagWitness(clock)
    await asyncio.sleep(1)
    assert witness.worst_since(0) == 0
    assert witness.lag < TICK
    witness.close()


async def test_a_stall_is_known_before_the_next_tick() -> None:
    """The first callback after a stall may be the one that asks."""
    clock = Clock()
    witness = LagWitness(clock)
    clock.skew = 0.5
    assert witness.worst_since(0) == pytest.approx(0.5, abs=1.5 * TICK)
    witness.close()


async def test_only_stalls_that_ended_later_count() -> None:
    """A probe is excused by the longest stall of its own time, not of the time before."""
    clock = Clock()
    witness = LagWitness(clock)
    clock.skew = 0.5
    await asyncio.sleep(1)
    between = clock()
    clock.skew = 0.7
    await asyncio.sleep(0.1)
    clock.skew = 0.8
    await asyncio.sleep(1)
    assert witness.worst_since(0) == pytest.approx(0.5, abs=1.5 * TICK)
    assert witness.worst_since(between) == pytest.approx(0.2, abs=1.5 * TICK)
    assert witness.worst_since(clock() - 0.5) == 0
    assert witness.lag < STALL
    witness.close()
