"""What a probe can still do when its time is over, and what it can return beside words."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Iterator
from contextlib import suppress

import pytest

from lvsha.core.health import Advice, Outcome, ProbeResult
from lvsha.errors import DeadlineError, InconclusiveError
from lvsha.probes.engine import Attempt, Engine, Finding, ready


@pytest.fixture
def quiet() -> Iterator[int]:
    """A descriptor that never becomes readable."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours.fileno()


async def _run(attempt: Attempt) -> ProbeResult:
    engine = Engine()
    result: asyncio.Future[ProbeResult] = engine.loop.create_future()
    engine.start(attempt, 0.03, result.set_result)
    try:
        return await asyncio.wait_for(result, 5)
    finally:
        engine.close()


async def test_silence_may_be_what_was_hoped_for(quiet: int) -> None:
    """A probe that catches the deadline passes."""

    async def attempt() -> str:
        try:
            await ready(quiet, select.EPOLLIN, "listening")
        except DeadlineError:
            return "nothing heard"
        raise AssertionError

    result = await _run(attempt)
    assert result.outcome is Outcome.PASS
    assert result.message.startswith("nothing heard in ")


async def test_silence_may_be_our_fault(quiet: int) -> None:
    """A probe may turn the deadline into what it means."""

    async def attempt() -> str:
        try:
            await ready(quiet, select.EPOLLIN, "listening")
        except DeadlineError as error:
            raise InconclusiveError(str(error)) from None
        raise AssertionError

    result = await _run(attempt)
    assert result.outcome is Outcome.INCONCLUSIVE
    assert result.message == "timed out after 30 ms while listening"


async def test_a_probe_that_goes_on_waiting_has_failed(quiet: int) -> None:
    """The deadline is total: there is no second one."""
    ended: list[bool] = []

    async def attempt() -> str:
        try:
            while True:
                with suppress(DeadlineError):
                    await ready(quiet, select.EPOLLIN, "listening")
        finally:
            ended.append(True)

    result = await _run(attempt)
    assert (result.outcome, result.message) == (
        Outcome.FAIL,
        "timed out after 30 ms while listening",
    )
    assert ended == [True]


@pytest.mark.parametrize("outcome", Outcome)
async def test_a_finding_carries_outcome_and_advice(outcome: Outcome) -> None:
    """What a probe returns reaches whoever asked."""
    advice = Advice(weight_percent=75)

    async def attempt() -> Finding:
        return Finding("said so", outcome, advice)

    result = await _run(attempt)
    assert (result.outcome, result.advice) == (outcome, advice)
    assert result.message.startswith("said so")
