"""Tracked interfaces and services, and sync groups, in VRRP processes on one LAN."""

from __future__ import annotations

import asyncio
from ipaddress import ip_interface

import pytest

from lvsha.core.messages import Configure, Configured, NodeFaults, Track
from lvsha.core.plan import SyncGroup, VrrpPlan
from lvsha.core.tracking import Track as Tracked
from lvsha.core.tracking import TrackedInterface, TrackedService
from lvsha.kernel.memory_host import MemoryAddresses
from lvsha.kernel.memory_wire import MemoryWire
from tests.shell.vrrp_lan import OTHER, Host, Lan, lan, pair, router

pytestmark = pytest.mark.looptime

ETH1 = Tracked(TrackedInterface("eth1"))
HTTP = Tracked(TrackedService("http"), -60)


async def two_interfaces(place: Lan, name: str, address: str) -> Host:
    addresses = MemoryAddresses("eth0", "eth1")
    await addresses.add("eth0", ip_interface(address))
    return await place.run(name, addresses, MemoryWire(place.segment, name))


async def test_a_tracked_interface_without_carrier_is_a_fault_and_its_return_ends_it():
    async with lan() as place:
        host = await two_interfaces(place, "lb1", "192.0.2.1/24")
        await host.configure(router(tracks=(ETH1,)))
        await asyncio.sleep(4)
        assert host.status().state == "MASTER"
        host.addresses.set_carrier("eth1", carrier=False)
        await asyncio.sleep(0.1)
        assert (host.status().state, host.status().faults) == (
            "FAULT",
            ("interface eth1 has no carrier",),
        )
        assert not await host.holds()
        host.addresses.set_carrier("eth1", carrier=True)
        await asyncio.sleep(4)
        assert (host.status().state, host.status().faults) == ("MASTER", ())


async def test_a_fault_does_not_outlive_its_cause_though_its_end_was_never_told():
    async with lan() as place:
        host = await two_interfaces(place, "lb1", "192.0.2.1/24")
        host.addresses.set_carrier("eth1", carrier=False)
        await host.configure(router(tracks=(ETH1,)))
        assert host.status().state == "FAULT"
        link = host.addresses._links["eth1"]
        host.addresses._links["eth1"] = type(link)(**{
            name: getattr(link, name) for name in link.__slots__ if name != "running"
        }, running=True)  # fmt: skip
        await asyncio.sleep(2)
        assert host.status().state == "BACKUP"


async def test_faults_are_a_set_shown_together():
    async with lan() as place:
        host = await two_interfaces(place, "lb1", "192.0.2.1/24")
        await host.configure(router(tracks=(ETH1,)))
        host.addresses.unplug("eth1")
        host.addresses.set_carrier("eth0", carrier=False)
        host.channel.send(NodeFaults(("director is not running",)))
        await asyncio.sleep(0.1)
        assert host.status().faults == (
            "director is not running",
            "interface eth0 has no carrier",
            "interface eth1 is missing",
        )


async def test_a_service_that_is_down_gives_the_addresses_to_the_peer_and_takes_them_back():
    async with lan() as place:
        first, second = await pair(place, tracks=(HTTP,))
        first.channel.send(Track("http", False))
        await asyncio.sleep(5)
        assert (first.status().effective_priority, first.status().state) == (90, "BACKUP")
        assert second.status().state == "MASTER"
        first.channel.send(Track("http", True))
        await asyncio.sleep(5)
        assert (first.status().effective_priority, first.status().state) == (150, "MASTER")
        lines = [line for line in place.named("vrrp.track") if line["new"] == "ILL"]
        assert [(line["target"], line["reason"]) for line in lines] == [("service http", "is down")]


async def test_an_undecided_service_leaves_things_as_they_were():
    async with lan() as place:
        host = await place.add("lb1", "192.0.2.1/24")
        await host.configure(router(tracks=(HTTP,)))
        host.channel.send(Track("http", False))
        host.channel.send(Track("http", None))
        await asyncio.sleep(0.1)
        assert host.status().effective_priority == 40


async def test_what_was_said_of_a_service_before_the_plan_counts():
    async with lan() as place:
        host = await place.add("lb1", "192.0.2.1/24")
        host.channel.send(Track("http", False))
        await host.configure(router(tracks=(HTTP,)))
        assert host.status().effective_priority == 40


async def test_another_priority_in_the_file_is_never_advertised_without_its_weights():
    async with lan() as place:
        host = await place.add("lb1", "192.0.2.1/24")
        host.channel.send(Track("http", False))
        await host.configure(router(tracks=(HTTP,)))
        await asyncio.sleep(5)
        await host.configure(router(priority=150, tracks=(HTTP,)))
        await asyncio.sleep(2)
        assert {packet[2] for _, _, packet in place.segment.sent} == {40, 90}


async def test_a_track_taken_out_of_the_file_has_no_effect_any_more():
    async with lan() as place:
        host = await two_interfaces(place, "lb1", "192.0.2.1/24")
        host.addresses.set_carrier("eth1", carrier=False)
        await host.configure(router(tracks=(ETH1,)))
        assert host.status().state == "FAULT"
        await host.configure(router())
        assert (host.status().state, host.status().faults) == ("BACKUP", ())


async def grouped(host: Host, priority: int, **changes: object) -> None:
    """Routers web and inner, both on eth0, as one group."""
    host.generation += 1
    inner = {"name": "inner", "virtual_router_id": 52, "addresses": (OTHER,)}
    routers = (
        router(priority=priority, **changes),
        router(**inner, priority=priority),
    )
    plan = VrrpPlan("test", host.name, routers, (SyncGroup("both", ("web", "inner")),))
    host.channel.send(Configure(host.generation, plan))
    while Configured(host.generation) not in host.received:
        await asyncio.sleep(0.001)


def states(host: Host) -> list[str]:
    return [each.state for each in host.statuses()[-1].routers]


async def test_a_fault_of_one_router_moves_all_of_its_group():
    async with lan() as place:
        first = await two_interfaces(place, "lb1", "192.0.2.1/24")
        second = await two_interfaces(place, "lb2", "192.0.2.2/24")
        await grouped(first, 150, tracks=(ETH1,))
        await grouped(second, 100)
        await asyncio.sleep(5)
        assert states(first) == ["MASTER", "MASTER"]
        first.addresses.set_carrier("eth1", carrier=False)
        await asyncio.sleep(1)
        assert (states(first), states(second)) == (["FAULT"] * 2, ["MASTER"] * 2)
        own, shared = (each.faults for each in first.statuses()[-1].routers)
        assert own == shared == ("interface eth1 has no carrier",)  # both track it


async def test_what_one_router_of_a_group_tracks_weighs_on_all():
    async with lan() as place:
        host = await place.add("lb1", "192.0.2.1/24")
        host.channel.send(Track("http", False))
        await grouped(host, 150, tracks=(HTTP,))
        assert [each.effective_priority for each in host.statuses()[-1].routers] == [90, 90]


async def test_a_router_that_joins_a_masters_group_becomes_master_without_a_change_of_the_other():
    async with lan() as place:
        host = await place.add("lb1", "192.0.2.1/24")
        await host.configure(router())
        await asyncio.sleep(5)
        await grouped(host, 100)
        await asyncio.sleep(5)
        assert states(host) == ["MASTER", "MASTER"]
        changes = [line for line in place.named("vrrp.state") if line["router"] == "web"]
        assert [line["new"] for line in changes] == ["BACKUP", "MASTER"]
