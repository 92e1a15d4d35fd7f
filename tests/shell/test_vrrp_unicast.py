"""VRRP processes that speak to their peers alone."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address

import pytest

from lvsha.core import advert
from lvsha.core.authentication import HmacKey, HmacKeys
from lvsha.kernel.ports import Packet
from tests.shell.vrrp_lan import Host, lan, router

pytestmark = pytest.mark.looptime

ADDRESSES = {f"lb{n}": ip_address(f"192.0.2.{n}") for n in (1, 2, 3)}
PRIORITIES = {"lb1": 150, "lb2": 100, "lb3": 50}


def unicast(name: str, **changes):
    source = ADDRESSES[name]
    peers = tuple(address for address in ADDRESSES.values() if address != source)
    return router(source=source, peers=peers, priority=PRIORITIES[name], **changes)


@asynccontextmanager
async def three(**changes):
    async with lan() as place:
        hosts = [await place.add(name, f"{address}/24") for name, address in ADDRESSES.items()]
        await asyncio.gather(*(host.configure(unicast(host.name, **changes)) for host in hosts))
        await asyncio.sleep(5)
        yield place, hosts


def states(hosts: list[Host]) -> list[str]:
    return [host.status().state for host in hosts]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"version": 2},
        {"pseudo_header_checksum": False},
        {"authentication": HmacKeys((HmacKey(1, "", b"k" * 32),), 1)},
    ],
    ids=["version 3", "version 2", "without pseudo-header", "signed"],
)
async def test_three_peers_elect_one_master_and_another_when_it_is_gone(changes):
    async with three(**changes) as (place, hosts):
        assert states(hosts) == ["MASTER", "BACKUP", "BACKUP"]
        assert {packet[1] for packet in place.segment.sent} == {"lb1"}
        place.segment.cut("lb1")
        await asyncio.sleep(5)
        assert states(hosts) == ["MASTER", "MASTER", "BACKUP"]
        place.segment.join("lb1")
        await asyncio.sleep(2)
        assert states(hosts) == ["MASTER", "BACKUP", "BACKUP"]
        assert not place.named("vrrp.dropped")


async def test_a_stopped_master_says_so_to_every_peer():
    async with three() as (place, hosts):
        before = len(place.segment.sent)
        await hosts[0].configure()
        farewells = [data for _, host, data in place.segment.sent[before:] if data[2] == 0]
        assert len(farewells) == 2
        await asyncio.sleep(1)
        assert states(hosts[1:]) == ["MASTER", "BACKUP"]


def packet(source: str, *, to: str = "192.0.2.1", ttl: int = 255, **changes) -> Packet:
    sender, receiver = ip_address(source), ip_address(to)
    message = advert.encode(advert.of(router(**changes), 200), sender, receiver)
    return Packet(message, sender, receiver, ttl)


async def test_who_is_no_peer_is_counted_and_not_obeyed():
    async with three() as (place, hosts):
        place.segment.carry("intruder", packet("192.0.2.9"))
        await asyncio.sleep(3)
        assert hosts[0].status().counters["peer"] == 1
        assert states(hosts)[0] == "MASTER"
        assert place.named("vrrp.dropped")[0]["detail"] == "peer: 192.0.2.9 is none of ours"


async def test_over_a_router_the_ttl_the_file_takes_is_the_lowest():
    async with three(accept_ttl=253) as (place, hosts):
        place.segment.carry("lb2", packet("192.0.2.2", ttl=252))
        await asyncio.sleep(3)
        assert (states(hosts)[0], hosts[0].status().counters["ttl"]) == ("MASTER", 1)
        place.segment.carry("lb2", packet("192.0.2.2", ttl=253))
        await asyncio.sleep(0.1)
        assert states(hosts)[0] == "BACKUP"


async def test_another_vrid_at_our_address_is_counted():
    async with three() as (place, hosts):
        place.segment.carry("lb2", packet("192.0.2.2", virtual_router_id=77))
        await asyncio.sleep(3)
        assert hosts[0].status().counters["virtual_router_id"] == 1


async def test_to_the_group_is_not_to_us():
    async with three() as (place, hosts):
        group = str(advert.GROUP[router().family])
        place.segment.carry("lb2", packet("192.0.2.2", to=group))
        await asyncio.sleep(3)
        assert states(hosts)[0] == "MASTER"


async def test_a_packet_to_our_address_is_none_to_the_group():
    async with lan() as place:
        host = await place.add("lb1", "192.0.2.1/24")
        await host.configure(router(priority=150))
        await asyncio.sleep(5)
        (end,) = place.segment._sockets
        end._waiting.append(packet("192.0.2.2"))
        end._waiting.append(packet("192.0.2.2", virtual_router_id=77))
        await asyncio.sleep(3)
        counters = host.status().counters
        assert (host.status().state, counters["destination"]) == ("MASTER", 1)
        assert "virtual_router_id" not in counters, "it may be a unicast router's of ours"


async def test_the_status_tells_what_each_peer_last_said():
    async with three() as (_, hosts):
        await hosts[0].configure(unicast("lb1", pseudo_header_checksum=False))
        await asyncio.sleep(3)
        (peer,) = hosts[1].status().peers
        assert (peer.address, peer.priority, peer.interval, peer.checksum) == (
            "192.0.2.1", 150, 1.0, "without",
        )  # fmt: skip
        assert hosts[0].status().peers == ()


async def test_a_reload_changes_between_the_group_and_peers_and_mastership_is_kept():
    async with lan() as place:
        hosts = [await place.add(name, f"{ADDRESSES[name]}/24") for name in ("lb1", "lb2")]
        plain = {"lb1": router(priority=150), "lb2": router()}
        for form in (lambda name: plain[name], unicast, lambda name: plain[name]):
            await asyncio.gather(*(host.configure(form(host.name)) for host in hosts))
            await asyncio.sleep(6)
            assert states(hosts) == ["MASTER", "BACKUP"]
            assert len(place.segment._sockets) == 2, "none is left open"
        assert [line["new"] for line in place.named("vrrp.state")].count("MASTER") == 1


async def test_an_address_that_is_not_there_is_a_fault_until_it_is():
    async with lan() as place:
        host = await place.add("lb1", "192.0.2.1/24")
        host.wire.tentative = {ADDRESSES["lb1"]}
        await host.configure(unicast("lb1"))
        await asyncio.sleep(3)
        assert states([host]) == ["FAULT"]
        assert "192.0.2.1" in host.status().faults[0]
        host.wire.tentative = set()
        await asyncio.sleep(6)
        assert states([host]) == ["MASTER"]


async def test_routers_on_two_interfaces_share_the_socket_at_the_nodes_address():
    """Advertisements of the inside cross the outside, where the nodes' addresses are."""
    async with lan() as place:
        hosts = [await place.add(name, f"{ADDRESSES[name]}/24") for name in ("lb1", "lb2")]
        for host in hosts:
            host.addresses.plug("eth1")
        for host in hosts:
            inside = replace(
                unicast(host.name), name="inside", virtual_router_id=52, interface="eth1"
            )
            await host.configure(unicast(host.name), inside)
        await asyncio.sleep(5)
        for host, state in zip(hosts, ("MASTER", "BACKUP"), strict=True):
            assert [each.state for each in host.statuses()[-1].routers] == [state, state]
            assert "virtual_router_id" not in host.status().counters
        assert len(place.segment._sockets) == 2
