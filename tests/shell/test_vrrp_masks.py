"""A virtual router with a MAC address of its own, on twins."""

from __future__ import annotations

import asyncio

import pytest

from tests.shell.vrrp_lan import VIP, lan, pair, router

pytestmark = pytest.mark.looptime

MAC = bytes.fromhex("00005e000133")


async def test_the_interface_is_there_while_its_router_is_master():
    async with lan() as place:
        first, second = await pair(place, virtual_mac=True)
        assert (first.macvlans.macs, second.macvlans.macs) == ({"vrrp.51": MAC}, {})
        assert await first.addresses.addresses("vrrp.51") == (VIP,)
        assert place.segment.macs == {"lb1": MAC}
        first.addresses.set_carrier("eth0", carrier=False)
        await asyncio.sleep(5)
        assert (first.macvlans.macs, second.macvlans.macs) == ({}, {"vrrp.51": MAC})


async def test_an_address_taken_off_it_is_put_back():
    async with lan() as place:
        first, _ = await pair(place, virtual_mac=True)
        await first.addresses.remove("vrrp.51", VIP)
        await asyncio.sleep(0.1)
        assert await first.addresses.addresses("vrrp.51") == (VIP,)
        assert place.named("vrrp.drift")


async def test_it_comes_and_goes_with_a_reload():
    async with lan() as place:
        host = await place.add("lb1", "192.0.2.1/24")
        await host.configure(router())
        await asyncio.sleep(5)
        assert await host.holds()
        await host.configure(router(virtual_mac=True))
        await asyncio.sleep(5)
        assert host.macvlans.macs
        assert not await host.holds()
        await host.configure(router())
        await asyncio.sleep(5)
        assert not host.macvlans.macs
        assert await host.holds()


async def test_lost_events_make_it_look_again():
    async with lan() as place:
        first, _ = await pair(place, virtual_mac=True)
        first.addresses._addresses["vrrp.51"].clear()
        first.addresses.lose_events()
        await asyncio.sleep(0.1)
        assert await first.addresses.addresses("vrrp.51") == (VIP,)
