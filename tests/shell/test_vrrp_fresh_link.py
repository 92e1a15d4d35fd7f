"""A router that does not preempt, on a link that may bring nothing yet."""

from __future__ import annotations

import asyncio
import errno
from ipaddress import ip_address

import pytest

from tests.shell.vrrp_lan import lan, router

pytestmark = pytest.mark.looptime

ONE, TWO = ip_address("192.0.2.1"), ip_address("192.0.2.2")


def modest(priority: int, other=TWO, **changes):
    return router(priority=priority, preempt=False, neighbours=(other,), **changes)


async def two(place):
    hosts = [await place.add("lb1", f"{ONE}/24"), await place.add("lb2", f"{TWO}/24")]
    place.segment.settle("lb1", ONE)
    place.segment.settle("lb2", TWO)
    return hosts


async def test_a_deaf_node_takes_nothing_from_the_master_it_can_not_hear():
    async with lan() as place:
        first, second = await two(place)
        await second.configure(modest(100, ONE))
        await asyncio.sleep(5)
        assert second.status().state == "MASTER"
        place.segment.cut("lb1")
        await first.configure(modest(150))
        await asyncio.sleep(20)
        assert first.status().state == "BACKUP"
        place.segment.join("lb1")
        await asyncio.sleep(40)
        assert (first.status().state, second.status().state) == ("BACKUP", "MASTER")


async def test_where_another_node_answers_nobody_waits_longer_than_ever():
    async with lan() as place:
        first, _ = await two(place)
        await first.configure(modest(150))
        await asyncio.sleep(3.5)
        assert first.status().state == "MASTER"


async def test_where_nobody_answers_a_lone_node_is_master_after_half_a_minute():
    async with lan() as place:
        first, _ = await two(place)
        await first.configure(modest(150, ip_address("192.0.2.77")))
        await asyncio.sleep(29)
        assert first.status().state == "BACKUP"
        await asyncio.sleep(2)
        assert first.status().state == "MASTER"


async def test_where_the_machine_lets_nobody_listen_silence_is_believed():
    async with lan() as place:
        first, _ = await two(place)
        listen, first.wire.listen = first.wire.listen, refuse
        await first.configure(modest(150))
        await asyncio.sleep(5)
        assert first.status().state == "MASTER"
        first.wire.listen = listen


def refuse(*_):
    from lvsha.errors import KernelError

    raise KernelError(errno.EPERM, "listen")
