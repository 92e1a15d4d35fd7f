"""Routes and rules that follow mastership, and tracked routes."""

from __future__ import annotations

import asyncio
import errno
from ipaddress import ip_address, ip_network

import pytest

from lvsha.core.moving import VirtualRoute, VirtualRule
from lvsha.core.tracking import Track, TrackedRoute
from tests.shell.vrrp_lan import lan, pair, router

pytestmark = pytest.mark.looptime

ROUTE = VirtualRoute(ip_network("10.0.0.0/8"), ip_address("192.0.2.254"), table=100)
RULE = VirtualRule(ip_network("192.0.2.100/32"), 100)
BOTH = [("eth0", ROUTE), ("eth0", RULE)]
DEFAULT = ip_network("0.0.0.0/0")


async def test_the_master_has_routes_and_rules_and_the_backup_has_none():
    async with lan() as place:
        first, second = await pair(place, routes=(ROUTE,), rules=(RULE,))
        assert (first.routing.held, second.routing.held) == (BOTH, [])
        first.addresses.set_carrier("eth0", carrier=False)
        await asyncio.sleep(5)
        assert (first.routing.held, second.routing.held) == ([], BOTH)


async def test_what_a_crashed_predecessor_left_goes_first():
    async with lan() as place:
        host = await place.add("lb1", "192.0.2.1/24")
        host.routing.held = list(BOTH)
        await host.configure(router(routes=(ROUTE,), rules=(RULE,)))
        assert host.routing.held == []


async def test_a_route_that_comes_with_a_reload_is_there_at_once():
    async with lan() as place:
        host = await place.add("lb1", "192.0.2.1/24")
        await host.configure(router())
        await asyncio.sleep(5)
        await host.configure(router(routes=(ROUTE,), rules=(RULE,)))
        await asyncio.sleep(0.1)
        assert host.routing.held == BOTH
        await host.configure(router())
        await asyncio.sleep(0.1)
        assert host.routing.held == []


async def test_a_refused_route_is_tried_again_and_said_once():
    async with lan() as place:
        host = await place.add("lb1", "192.0.2.1/24")
        await host.configure(router(routes=(ROUTE,)))
        host.routing.refusal = errno.ENETUNREACH
        await asyncio.sleep(15)
        refused = [line["what"] for line in place.named("kernel.error")]
        assert refused.count("add route 10.0.0.0/8 via 192.0.2.254 table 100") == 1
        host.routing.refusal = 0
        await asyncio.sleep(2)
        assert host.routing.held == [("eth0", ROUTE)]


async def test_what_somebody_took_away_is_put_back_and_said():
    async with lan() as place:
        first, second = await pair(place, routes=(ROUTE,), rules=(RULE,))
        first.routing.held.remove(("eth0", ROUTE))
        await asyncio.sleep(3)
        assert sorted(first.routing.held, key=str) == sorted(BOTH, key=str)
        assert second.routing.held == []
        assert [line["removed"] for line in place.named("vrrp.drift")] == [str(ROUTE)]


async def test_what_can_not_be_put_back_yet_is_tried_again():
    async with lan() as place:
        first, _ = await pair(place, routes=(ROUTE,), rules=(RULE,))
        first.routing.held.clear()
        first.routing.refusal = errno.ENETUNREACH
        await asyncio.sleep(5)
        first.routing.refusal = 0
        await asyncio.sleep(2)
        assert first.routing.held == BOTH


async def test_mastership_lost_while_one_is_put_back_takes_all_off():
    async with lan() as place:
        first, second = await pair(place, routes=(ROUTE,), rules=(RULE,))
        first.routing.held.clear()
        for _ in range(40):
            first.addresses.set_carrier("eth0", carrier=False)
            await asyncio.sleep(0.05)
            first.addresses.set_carrier("eth0", carrier=True)
            await asyncio.sleep(0.05)
        first.addresses.set_carrier("eth0", carrier=False)
        await asyncio.sleep(5)
        assert (first.routing.held, second.routing.held) == ([], BOTH)


async def test_stopping_takes_them_off():
    async with lan() as place:
        first, _ = await pair(place, routes=(ROUTE,), rules=(RULE,))
        first.stop.set()
        await first.task
        assert first.routing.held == []


async def test_a_missing_route_is_a_fault_until_it_is_there():
    async with lan() as place:
        host = await place.add("lb1", "192.0.2.1/24")
        await host.configure(router(tracks=(Track(TrackedRoute(DEFAULT)),)))
        await asyncio.sleep(0.1)
        assert host.status().faults == ("route 0.0.0.0/0 is missing",)
        host.routing.learn(DEFAULT)
        await asyncio.sleep(5)
        assert host.status().state == "MASTER"
        host.routing.forget(DEFAULT)
        await asyncio.sleep(0.2)
        assert host.status().state == "FAULT"
