"""The VRRP process on a LAN in memory, under virtual time: what an operator and a peer see."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address, ip_interface

import pytest

from lvsha.core import election
from lvsha.core.messages import Stop
from lvsha.core.types import Family
from tests.shell.vrrp_lan import OTHER, VIP, lan, pair, router

pytestmark = pytest.mark.looptime


async def test_the_better_of_two_holds_the_vip_and_says_so():
    async with lan() as place:
        first, second = await pair(place)
        assert (await first.holds(), await second.holds()) == (True, False)
        assert first.status().master == second.status().master == "192.0.2.1"
        assert first.status().effective_priority == 150
        assert first.status().counters["sent"] >= 1
        assert second.status().counters["received"] >= 1
        await asyncio.sleep(2)
        assert set(first.statuses()[-1].lateness) == {"0.5", "0.99", "1"}


async def test_every_transition_is_one_log_line():
    async with lan() as place:
        await pair(place)
        lines = place.named("vrrp.state")
        assert [(line["old"], line["new"]) for line in lines] == [
            ("INIT", "BACKUP"),
            ("INIT", "BACKUP"),
            ("BACKUP", "MASTER"),
        ]
        assert lines[-1]["router"] == "web"
        assert lines[-1]["reason"] == "no master heard"


async def test_stopping_says_priority_0_gives_the_vip_up_and_ends():
    async with lan() as place:
        first, second = await pair(place)
        first.channel.send(Stop())
        await first.task
        assert first.status().state == "INIT" if first.statuses()[-1].routers else True
        last = place.segment.sent[-1][2]
        assert (last[1], last[2]) == (51, 0)
        assert not await first.holds()
        await asyncio.sleep(1)
        assert await second.holds()


async def test_a_vanished_supervisor_is_an_order_to_stop():
    async with lan() as place:
        first, _ = await pair(place)
        first.channel.close()
        await first.task
        assert not await first.holds()


async def test_the_new_master_announces_five_times_and_again_and_then_each_minute():
    async with lan() as place:
        await pair(place)
        await asyncio.sleep(120)
        times = [at for at, host, _ in place.segment.announced if host == "lb1"]
        offsets = [round(at - times[0]) for at in times]
        assert offsets == [0] * 5 + [5] * 5 + [60, 120][: len(offsets) - 10]
        assert len(offsets) in (11, 12)


async def test_a_master_that_is_no_longer_one_does_not_announce():
    async with lan() as place:
        first, _ = await pair(place)
        first.channel.send(Stop())
        await first.task
        count = sum(host == "lb1" for _, host, _ in place.segment.announced)
        await asyncio.sleep(120)
        assert sum(host == "lb1" for _, host, _ in place.segment.announced) == count


async def test_a_vip_left_by_a_crashed_predecessor_goes_before_anything_else():
    async with lan() as place:
        await pair(place)
        third = await place.add("lb3", "192.0.2.3/24")
        await third.addresses.add("eth0", VIP)
        await third.configure(router(priority=50))
        assert not await third.holds()
        assert {"event": "vrrp.drift", "router": "web", "left_behind": str(VIP)} in place.events


async def test_an_owners_own_address_is_neither_removed_nor_missing_as_source():
    own = ip_interface("192.0.2.1/24")
    async with lan() as place:
        host = await place.add("lb1", "192.0.2.1/24")
        await host.configure(router(priority=255, addresses=(own,)))
        await asyncio.sleep(1)
        assert host.status().state == "MASTER"
        assert host.status().master == "192.0.2.1"
        assert await host.holds(own)
        host.stop.set()
        await host.task
        assert await host.holds(own), "it is the machine's, master or not"


async def test_a_vip_somebody_removed_is_put_back_announced_and_logged():
    async with lan() as place:
        first, _ = await pair(place)
        await asyncio.sleep(10)
        before = len(place.segment.announced)
        await first.addresses.remove("eth0", VIP)
        await asyncio.sleep(2)
        assert await first.holds()
        assert place.named("vrrp.drift") == [
            {"event": "vrrp.drift", "router": "web", "removed": str(VIP)}
        ]
        assert len(place.segment.announced) == before + 5


async def test_a_vip_that_went_unnoticed_is_found_missing_after_lost_events():
    async with lan() as place:
        first, _ = await pair(place)
        first.addresses._addresses["eth0"].remove(VIP)
        first.addresses.lose_events()
        await asyncio.sleep(1)
        assert await first.holds()


async def test_without_carrier_a_master_is_at_fault_and_comes_back_as_backup():
    async with lan() as place:
        first, second = await pair(place)
        first.addresses.set_carrier("eth0", False)
        place.segment.cut("lb1")
        await asyncio.sleep(0.1)
        assert first.status().state == "FAULT"
        assert first.status().faults == ("interface eth0 has no carrier",)
        assert not await first.holds()
        await asyncio.sleep(5)
        assert await second.holds()
        place.segment.join("lb1")
        first.addresses.set_carrier("eth0", True)
        await asyncio.sleep(0.1)
        assert (first.status().state, first.status().faults) == ("BACKUP", ())
        await asyncio.sleep(5)
        assert (await first.holds(), await second.holds()) == (True, False)


async def test_a_missing_interface_is_a_fault_until_it_appears():
    async with lan() as place:
        host = await place.add("lb1", interface="eth7")
        await host.configure(router())
        await asyncio.sleep(0.1)
        assert (host.status().state, host.status().faults) == (
            "FAULT",
            ("interface eth0 is missing",),
        )
        host.addresses.plug("eth0")
        await asyncio.sleep(0.1)
        assert host.status().faults == ("interface eth0 has no IPv4 address",)
        await host.addresses.add("eth0", ip_interface("192.0.2.1/24"))
        await asyncio.sleep(5)
        assert host.status().state == "MASTER"


async def test_an_interface_taken_away_and_made_again_is_picked_up_with_a_new_socket():
    async with lan() as place:
        first, second = await pair(place)
        first.addresses.unplug("eth0")
        await asyncio.sleep(0.1)
        assert first.status().faults == ("interface eth0 is missing",)
        first.addresses.plug("eth0")
        await first.addresses.add("eth0", ip_interface("192.0.2.1/24"))
        await asyncio.sleep(5)
        assert (first.status().state, second.status().state) == ("MASTER", "BACKUP")
        assert await first.holds()


async def test_an_ipv6_router_speaks_from_the_link_local_address_once_it_is_usable():
    vip = ip_interface("fe80::99/128")
    async with lan() as place:
        host = await place.add("lb1", "fe80::1/64")
        await host.addresses.add("eth0", ip_interface("2001:db8::1/64"))
        host.wire.tentative.add(ip_address("fe80::1"))
        await host.configure(router(family=Family.IPV6, addresses=(vip,)))
        await asyncio.sleep(5)
        assert host.status().faults == ("address fe80::1 is not usable on eth0",)
        host.wire.tentative.clear()
        await asyncio.sleep(6)
        assert (host.status().state, host.status().master) == ("MASTER", "fe80::1")
        assert await host.holds(vip)


async def test_a_reload_with_the_same_plan_touches_nothing():
    async with lan() as place:
        first, _ = await pair(place)
        sent, lines = len(place.segment.sent), len(place.events)
        await first.configure(router(priority=150))
        await asyncio.sleep(0.01)
        assert (len(place.segment.sent), len(place.events)) == (sent, lines)


async def test_a_reload_moves_addresses_under_a_master_without_an_election():
    async with lan() as place:
        first, second = await pair(place)
        lines = len(place.named("vrrp.state"))
        await first.configure(router(priority=150, addresses=(OTHER,)))
        await second.configure(router(priority=100, addresses=(OTHER,)))
        await asyncio.sleep(10)
        assert (await first.holds(), await first.holds(OTHER)) == (False, True)
        assert len(place.named("vrrp.state")) == lines
        assert place.named("vrrp.drift") == []


async def test_a_router_dropped_by_a_reload_stops_properly():
    async with lan() as place:
        first, second = await pair(place)
        await first.configure()
        assert not await first.holds()
        await asyncio.sleep(1)
        assert await second.holds()
        assert first.statuses()[-1].routers == ()


async def test_another_vrid_for_the_same_vip_replaces_the_old_router():
    async with lan() as place:
        first, _ = await pair(place)
        await first.configure(router(priority=150, virtual_router_id=52))
        await asyncio.sleep(5)
        assert (first.status().virtual_router_id, first.status().state) == (52, "MASTER")
        assert await first.holds()
        assert place.named("vrrp.drift") == []


async def test_after_a_partition_there_is_one_holder_and_the_winner_announces():
    async with lan() as place:
        first, second = await pair(place)
        place.segment.cut("lb2")
        await asyncio.sleep(10)
        assert await second.holds()
        place.segment.join("lb2")
        healed = asyncio.get_running_loop().time()
        await asyncio.sleep(3)
        assert (await first.holds(), await second.holds()) == (True, False)
        assert any(host == "lb1" and at >= healed for at, host, _ in place.segment.announced)
        conflicts = place.named("vrrp.conflict")
        assert [line["address"] for line in conflicts] == ["192.0.2.2"]


@pytest.mark.parametrize("part", ["timer", "effects"])
async def test_a_defect_ends_the_process_in_order_instead_of_half_a_router(part, monkeypatch):
    async with lan() as place:
        host = await place.add("lb1", "192.0.2.1/24")
        await host.configure(router())
        await asyncio.sleep(5)
        assert await host.holds()
        if part == "timer":
            monkeypatch.setattr("lvsha.vrrp.router.step", broken(election.step))
        else:
            monkeypatch.setattr(host.wire, "announce", broken(host.wire.announce))
            await host.addresses.remove("eth0", VIP)
        with pytest.raises(ZeroDivisionError):
            await host.task
        assert place.segment.sent[-1][2][2] == 0, "priority"
        assert not await host.holds()


def broken(sound):
    """Fails once."""
    failures = [ZeroDivisionError("a defect")]

    def fail(*arguments):
        if failures:
            raise failures.pop()
        return sound(*arguments)

    return fail


async def test_many_routers_share_one_socket_and_are_told_apart():
    routers = [
        router(
            name=f"r{n}", virtual_router_id=n, addresses=(ip_interface(f"192.0.2.{100 + n}/32"),)
        )
        for n in range(1, 51)
    ]
    async with lan() as place:
        first = await place.add("lb1", "192.0.2.1/24")
        second = await place.add("lb2", "192.0.2.2/24")
        await first.configure(*(replace(vr, priority=150) for vr in routers))
        await second.configure(*routers)
        await asyncio.sleep(6)
        assert len(place.segment._sockets) == 2
        assert {status.state for status in first.statuses()[-1].routers} == {"MASTER"}
        assert {status.state for status in second.statuses()[-1].routers} == {"BACKUP"}
