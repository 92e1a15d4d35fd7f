"""Tiers of backups where the kernel does not take them: director.balancer on the twin."""

from __future__ import annotations

import errno
from dataclasses import replace

import pytest

from lvsha.core.commands import AddDestination, Refusal
from lvsha.core.types import DestinationKey
from tests.shell.balancer_world import DOWN, UP, WEB, A, B, Recording, World, server

pytestmark = pytest.mark.looptime

SPARES = tuple(server(number) for number in (50, 51))
GUARDED = replace(WEB, quorum=2, backups=(SPARES,))


class Choosy(Recording):
    """The twin, taking no destination it does not like."""

    disliked: frozenset[DestinationKey] = frozenset()

    def apply(self, commands):
        unwelcome = [
            command
            for command in commands
            if isinstance(command, AddDestination) and command.destination.key in self.disliked
        ]
        done = super().apply([command for command in commands if command not in unwelcome])
        return (*done, *(Refusal(command, errno.ENOMEM, "") for command in unwelcome))


def choosy(directory) -> World:
    """With both real servers serving, on such a kernel."""
    world = World(directory, GUARDED)
    world.ipvs = Choosy()
    world.start(UP)
    assert world.weights() == {1: 1, 2: 1}
    return world


async def test_while_every_backup_is_refused_the_live_real_servers_go_on_serving(tmp_path):
    world = choosy(tmp_path)
    world.ipvs.disliked = frozenset(each.key for each in SPARES)
    world.verdict(DOWN, B)
    assert world.weights() == {1: 1}
    await world.table.resync()
    assert world.weights() == {1: 1}
    assert world.table.refused == {WEB.key: {each.key: "Cannot allocate memory" for each in SPARES}}
    world.ipvs.disliked = frozenset()
    await world.table.resync()
    assert world.weights() == {1: 0, 50: 1, 51: 1}


async def test_one_backup_that_is_taken_stands_in_for_all(tmp_path):
    world = choosy(tmp_path)
    world.ipvs.disliked = frozenset({SPARES[0].key})
    world.verdict(DOWN, B)
    assert world.weights() == {1: 0, 51: 1}


async def test_who_is_down_or_taken_out_by_an_operator_goes_whoever_is_refused(tmp_path):
    world = choosy(tmp_path)
    world.ipvs.disliked = frozenset(each.key for each in SPARES)
    world.verdict(DOWN, B)
    world.order("disable", A)
    assert world.weights() == {}


async def test_backups_stay_until_a_real_server_is_taken_back(tmp_path):
    world = choosy(tmp_path)
    world.verdict(DOWN, A, B)
    assert world.weights() == {50: 1, 51: 1}
    world.ipvs.disliked = frozenset({A.key, B.key})
    world.verdict(UP, A, B)
    assert world.weights() == {50: 1, 51: 1}
    world.ipvs.disliked = frozenset()
    await world.table.resync()
    assert {number for number, weight in world.weights().items() if weight} == {1, 2}
