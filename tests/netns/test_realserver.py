"""A real server on real links: who answers for the VIP, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, ip_address

import pytest

from lvsha.core.plan import LoopbackAddress, RealServerPlan
from lvsha.core.types import Family, Forwarding
from lvsha.director.forwarding import apply
from lvsha.kernel.sysctls import KernelSysctls
from lvsha.lab.topology import CLIENT, FRONT, REAL_SERVER, VIRTUAL, Lab, Namespace
from lvsha.realserver import agent
from lvsha.realserver.machine import this_machine

pytestmark = pytest.mark.netns

CLIENT4, SERVER4, VIP4 = (FRONT.addresses(n)[0].ip for n in (CLIENT, REAL_SERVER, VIRTUAL))
SERVER6, VIP6 = (FRONT.addresses(n)[1].ip for n in (REAL_SERVER, VIRTUAL))
ETH_P_ARP = 0x0806
REQUEST, REPLY = 1, 2


@dataclass
class Pair:
    client: Namespace
    server: Namespace


@pytest.fixture
def pair() -> Iterator[Pair]:
    """A client and a real server on one segment; the server has no settings of its own yet."""
    with Lab() as lab:
        client, server = lab.add("client", "rs1")
        lab.bridge(FRONT)
        lab.plug(FRONT, [(client, CLIENT), (server, REAL_SERVER)])
        for where in ("all", "lo", "eth0"):
            for setting in ("arp_ignore", "arp_announce"):
                server.sysctl(f"net.ipv4.conf.{where}.{setting}", 0)
        yield Pair(client, server)


def plan(*vips: object) -> RealServerPlan:
    places = tuple(LoopbackAddress(ip_address(vip), Forwarding.DR, SERVER4) for vip in vips)
    return RealServerPlan("web", places)


def state(server: Namespace) -> str:
    """Everything `up` may touch, as other tools see it."""
    settings = server.run("sysctl", "-a", "-r", r"^net\.ipv[46]\.conf\.(all|lo)\.")
    return server.run("ip", "-o", "address", "show", "dev", "lo") + settings


def arp_socket() -> socket.socket:
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP))
    sniffer.bind(("eth0", ETH_P_ARP))
    return sniffer


def arp_packets(sniffer: socket.socket, operation: int, seconds: float) -> Iterator[IPv4Address]:
    """Sender addresses of ARP packets seen (RFC 826), until the time is over."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        sniffer.settimeout(left)
        try:
            frame = sniffer.recv(128)
        except TimeoutError:
            return
        if struct.unpack_from("!H", frame, 20)[0] == operation:
            yield IPv4Address(frame[28:32])


def answers_arp(client: Namespace, target: IPv4Address, seconds: float = 1.0) -> bool:
    """Whether a client that asks who has `target` is told."""
    with client.entered(), arp_socket() as sniffer:
        mac = sniffer.getsockname()[4]
        ethernet = b"\xff" * 6 + mac + struct.pack("!H", ETH_P_ARP)
        head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, REQUEST)
        sniffer.send(ethernet + head + mac + CLIENT4.packed + bytes(6) + target.packed)
        return any(sender == target for sender in arp_packets(sniffer, REPLY, seconds))


async def test_only_up_keeps_a_real_server_from_answering_arp_for_the_vip(pair, tmp_path) -> None:
    """The address alone takes the clients from the director; with `up` it does not."""
    pair.server.ip(f"address add {VIP4}/32 dev lo")
    assert answers_arp(pair.client, VIP4)
    pair.server.ip(f"address del {VIP4}/32 dev lo")
    with pair.server.entered():
        async with this_machine(writing=True) as machine:
            await agent.up(plan(VIP4), machine, tmp_path)
    assert f"inet {VIP4}/32 " in pair.server.run("ip", "address", "show", "dev", "lo")
    assert not answers_arp(pair.client, VIP4)
    assert answers_arp(pair.client, SERVER4)


def asks_as(pair: Pair, source: IPv4Address) -> set[IPv4Address]:
    """In whose name the server asks for the client when it sends something from `source`."""
    pair.server.ip("neigh flush dev eth0")
    with pair.client.entered(), arp_socket() as sniffer:
        pair.server.run("sh", "-c", f"ping -c1 -W1 -I {source} {CLIENT4} || true")
        return set(arp_packets(sniffer, REQUEST, 0.2)) - {CLIENT4}


async def test_a_real_server_never_asks_in_the_vips_name(pair, tmp_path) -> None:
    """An ARP request with the VIP as its sender would teach the neighbours the wrong machine."""
    pair.server.ip(f"address add {VIP4}/32 dev lo")
    assert asks_as(pair, VIP4) == {VIP4}
    with pair.server.entered():
        async with this_machine(writing=True) as machine:
            await agent.up(plan(VIP4), machine, tmp_path)
    assert asks_as(pair, VIP4) == {SERVER4}


async def test_ipv6_neighbours_are_never_told_of_a_vip_on_lo(pair, tmp_path) -> None:
    with pair.server.entered():
        async with this_machine(writing=True) as machine:
            await agent.up(plan(VIP6), machine, tmp_path)
    assert f"inet6 {VIP6}/128 " in pair.server.run("ip", "address", "show", "dev", "lo")
    pair.client.run("ping", "-c1", "-W1", str(SERVER6))
    pair.client.run("sh", "-c", f"! ping -c1 -W1 {VIP6}")


async def test_down_leaves_the_machine_as_it_was(pair, tmp_path) -> None:
    """Odd values and a foreign address included; `check` agrees at every station."""
    pair.server.sysctl("net.ipv4.conf.all.arp_ignore", 2)
    pair.server.sysctl("net.ipv4.conf.lo.arp_announce", 1)
    pair.server.ip("address add 203.0.113.7/32 dev lo", f"address add {VIP6}/128 dev lo nodad")
    before = state(pair.server)
    with pair.server.entered():
        async with this_machine(writing=True) as machine:
            await agent.up(plan(VIP4, VIP6), machine, tmp_path)
            assert await agent.check(plan(VIP4, VIP6), machine, tmp_path) == ()
            assert await agent.up(plan(VIP4, VIP6), machine, tmp_path) == ()
            assert state(pair.server) != before
            await agent.down(machine, tmp_path)
            assert len(await agent.check(plan(VIP4), machine, tmp_path)) == 5
    assert state(pair.server) == before


async def test_run_repairs_what_others_change(pair, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(agent, "CHECK_INTERVAL", 0.1)

    async def whole(machine) -> None:
        async with asyncio.timeout(10):
            while await agent.check(plan(VIP4), machine, tmp_path):
                await asyncio.sleep(0.02)

    with pair.server.entered():
        async with this_machine(writing=True) as machine:
            running = asyncio.create_task(agent.run(plan(VIP4), machine, tmp_path))
            await whole(machine)
            pair.server.ip(f"address del {VIP4}/32 dev lo")
            pair.server.sysctl("net.ipv4.conf.all.arp_ignore", 0)
            assert await agent.check(plan(VIP4), machine, tmp_path)
            await whole(machine)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert await agent.check(plan(VIP4), machine, tmp_path) == ()


def test_a_forwarding_director_goes_on_taking_router_advertisements(pair) -> None:
    pair.server.sysctl("net.ipv6.conf.eth0.accept_ra", 1)
    with pair.server.entered():
        outcome = apply(frozenset(Family), KernelSysctls())
        assert outcome.errors == ()
        assert outcome.changed[-2:] == (
            "net.ipv6.conf.eth0.accept_ra set to 2 (was 1)",
            "net.ipv6.conf.all.forwarding set to 1 (was 0)",
        )
        assert KernelSysctls().read("net.ipv6.conf.eth0.forwarding") == "1"
        assert KernelSysctls().read("net.ipv6.conf.eth0.accept_ra") == "2"
        assert KernelSysctls().read("net.ipv4.ip_forward") == "1"
        assert apply(frozenset(Family), KernelSysctls()).changed == ()
