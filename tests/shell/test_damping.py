"""A server that flaps, as the table and the log see it, under virtual time."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from lvsha.core.plan import Damping
from tests.shell.balancer_world import DOWN, UP, WEB, A, B, World, living

pytestmark = pytest.mark.looptime

CALM = replace(WEB, damping=Damping(transitions=3, window=10.0, hold=30.0))


async def test_a_server_that_flaps_is_out_until_the_hold_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It leaves the table, stays out though its checks pass, and is back when the time is over."""
    caplog.set_level(logging.INFO, logger="lvsha")
    world = World(tmp_path, CALM)
    async with living(world):
        world.verdict(UP, A, B)
        for measured in (DOWN, UP, DOWN, UP):
            world.verdict(measured, A)
            await asyncio.sleep(1)
        assert world.weights() == {2: 1}
        await asyncio.sleep(25)
        assert world.weights() == {2: 1}
        await asyncio.sleep(5)
        assert world.weights() == {1: 1, 2: 1}
    said = [
        (record.getMessage(), record.fields.get("new"))
        for record in caplog.records
        if record.getMessage().startswith("health.") and record.fields["server"] == str(A)
    ]
    assert said == [
        ("health.changed", "UP"),
        ("health.changed", "DOWN"),
        ("health.changed", "UP"),
        ("health.damped", None),
        ("health.changed", "DOWN"),
        ("health.changed", "UP"),
    ]
    assert caplog.records[-1].fields.get("reason", "no longer held down; ").startswith("no longer")


async def test_without_damping_every_change_counts(tmp_path: Path) -> None:
    world = World(tmp_path, WEB)
    world.verdict(UP, A, B)
    for measured in (DOWN, UP, DOWN, UP):
        world.verdict(measured, A)
    assert world.weights() == {1: 1, 2: 1}
