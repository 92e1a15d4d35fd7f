"""`lvsha plan` beside a running director: nothing to do where nothing is, and drains foretold."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address

import pytest

from lvsha.cli import plans
from lvsha.core.commands import AddDestination, AddService
from lvsha.core.messages import Configure, Configured
from lvsha.core.plan import DirectorPlan
from lvsha.core.types import Destination, DestinationKey, OnFailure, Protocol, Service
from lvsha.kernel.memory import MemoryIpvs
from lvsha.lab.nodes import wait_for
from tests.shell.test_director import KEY, PLAN, WEB, running, server

BACKED = replace(WEB, backups=((server("10.0.0.50"),),))


def planned(service) -> DirectorPlan:
    return replace(PLAN, services=(service,))


async def changes(at, service) -> list[str]:
    """What `lvsha plan` would print for a file with this service."""

    def look() -> list[str]:
        view = plans._view(at.directory)
        return list(plans.changes(planned(service), {KEY}, at.ipvs, view))

    return await asyncio.to_thread(look)


async def start(at, service) -> None:
    at.tell(Configure(1, planned(service)))
    await at.supervisor.hears(Configured(1))


def order(at, verb: str, server: str, weight: int | None = None) -> None:
    at.director.order(verb, "web", server, weight)


async def test_backups_at_rest_and_orders_in_force_are_no_changes(tmp_path):
    async with running(tmp_path) as at:
        await start(at, BACKED)
        assert await changes(at, BACKED) == []
        order(at, "weight", "10.0.0.1:80", 9)
        order(at, "disable", "10.0.0.2:80")
        await asyncio.to_thread(wait_for, "it", lambda: len(at.ipvs.destinations(KEY)) == 1, 5)
        assert await changes(at, BACKED) == []


async def test_what_is_no_longer_in_the_file_drains_first(tmp_path):
    async with running(tmp_path) as at:
        await start(at, WEB)
        less = replace(WEB, real_servers=WEB.real_servers[:1])
        assert await changes(at, less) == ["-e -t 192.0.2.1:80 -r 10.0.0.2:80 -g -w 0"]
        assert await changes(at, replace(less, drain_timeout=0.0)) == [
            "-d -t 192.0.2.1:80 -r 10.0.0.2:80"
        ]


async def test_a_new_weight_in_the_file_is_a_change_unless_an_operator_gave_another(tmp_path):
    async with running(tmp_path) as at:
        await start(at, WEB)
        order(at, "weight", "10.0.0.1:80", 9)
        await asyncio.to_thread(
            wait_for, "it", lambda: 9 in {d.destination.weight for d in at.ipvs.destinations(KEY)}
        )
        first, second = WEB.real_servers
        heavier = replace(WEB, real_servers=(replace(first, weight=2), replace(second, weight=4)))
        assert await changes(at, heavier) == ["-e -t 192.0.2.1:80 -r 10.0.0.2:80 -g -w 4"]


async def test_a_backup_that_is_new_in_the_file_stays_out(tmp_path):
    async with running(tmp_path) as at:
        await start(at, WEB)
        assert await changes(at, replace(BACKED, on_failure=OnFailure.QUIESCE)) == []


@pytest.mark.parametrize("protocol", [Protocol.TCP, Protocol.UDP])
async def test_without_a_daemon_everybody_is_up_and_backups_are_out(tmp_path, protocol):
    key = replace(KEY, protocol=protocol)
    view = plans._view(tmp_path)
    service = replace(BACKED, service=Service(key))
    lines = list(plans.changes(planned(service), set(), MemoryIpvs(), view))
    assert len(lines) == 3
    assert not any("10.0.0.50" in line for line in lines)


async def test_without_a_daemon_orders_are_as_the_next_one_will_find_them(tmp_path):
    async with running(tmp_path) as at:
        await start(at, BACKED)
        order(at, "weight", "10.0.0.1:80", 9)
        order(at, "drain", "10.0.0.2:80")
    orders = (tmp_path / "orders.json").read_bytes()
    view = plans._view(tmp_path)
    empty = list(plans.changes(planned(BACKED), set(), MemoryIpvs(), view))
    assert empty == ["-A -t 192.0.2.1:80 -s wlc", "-a -t 192.0.2.1:80 -r 10.0.0.1:80 -g -w 9"]
    kernel = MemoryIpvs()
    held = [Destination(DestinationKey(ip_address(f"10.0.0.{n}"), 80)) for n in (1, 2)]
    kernel.apply([AddService(WEB.service), *(AddDestination(KEY, each) for each in held)])
    assert list(plans.changes(planned(BACKED), {KEY}, kernel, view)) == [
        "-e -t 192.0.2.1:80 -r 10.0.0.1:80 -g -w 9",
        "-e -t 192.0.2.1:80 -r 10.0.0.2:80 -g -w 0",
    ]
    assert (tmp_path / "orders.json").read_bytes() == orders


async def test_without_a_daemon_backups_stand_in_for_servers_that_are_all_taken_out(tmp_path):
    async with running(tmp_path) as at:
        await start(at, BACKED)
        for each in WEB.real_servers:
            order(at, "disable", str(each))
    lines = list(plans.changes(planned(BACKED), set(), MemoryIpvs(), plans._view(tmp_path)))
    assert lines[1:] == ["-a -t 192.0.2.1:80 -r 10.0.0.50:80 -g -w 1"]
