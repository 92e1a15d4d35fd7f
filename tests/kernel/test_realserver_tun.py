"""A real server behind a tunnel: real IPVS encapsulates, the machine `up` made takes it out."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_interface
from pathlib import Path

import pytest

from lvsha.core.plan import LoopbackAddress, RealServerPlan
from lvsha.core.types import Address, Forwarding, endpoint
from lvsha.errors import HostError
from lvsha.kernel.addresses import KernelAddresses
from lvsha.lab.topology import (
    CLIENT,
    DIRECTOR,
    FRONT,
    REAL_SERVER,
    VIRTUAL,
    Lab,
    Namespace,
)
from lvsha.realserver import agent
from lvsha.realserver.machine import this_machine

pytestmark = pytest.mark.kernel

PORT = 8080
VIP4, VIP6 = (address.ip for address in FRONT.addresses(VIRTUAL))
SERVER4, SERVER6 = (address.ip for address in FRONT.addresses(REAL_SERVER))


@dataclass
class Trio:
    client: Namespace
    director: Namespace
    server: Namespace

    async def balance(self, vip: Address, server: Address) -> None:
        """One service with one tunnelled real server, by the real ipvsadm."""
        with self.director.entered():
            addresses = await KernelAddresses.open()
            await addresses.add("eth0", ip_interface(vip))
            await addresses.close()
        self.director.run("ipvsadm", "-A", "-t", endpoint(vip, PORT), "-s", "rr")
        words = ("-r", endpoint(server, PORT), "-i")
        self.director.run("ipvsadm", "-a", "-t", endpoint(vip, PORT), *words)

    def serve(self, vip: Address) -> None:
        """Answer on the VIP, in the real server only."""
        family = socket.AF_INET if vip.version == 4 else socket.AF_INET6
        with self.server.entered():
            listener = socket.create_server((str(vip), PORT), family=family)

        def answer() -> None:
            with listener:
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.sendall(b"rs1")

        self.server.thread("answer", answer)

    def request(self, vip: Address) -> bytes:
        """What a client hears from the VIP; refused, or nothing within two seconds: b""."""
        with self.client.entered():
            try:
                with socket.create_connection((str(vip), PORT), timeout=2) as connection:
                    return connection.recv(16)
            except OSError:
                return b""


@pytest.fixture
def trio() -> Iterator[Trio]:
    """The strictest machine: reverse path filtering everywhere, no tunnel up."""
    with Lab() as lab:
        client, director, server = lab.add("client", "lb1", "rs1")
        lab.bridge(FRONT)
        lab.plug(FRONT, [(client, CLIENT), (director, DIRECTOR), (server, REAL_SERVER)])
        for where in ("all", "default", "eth0"):
            server.sysctl(f"net.ipv4.conf.{where}.rp_filter", 1)
        yield Trio(client, director, server)


def plan(vip: Address, server: Address) -> RealServerPlan:
    return RealServerPlan("web", (LoopbackAddress(vip, Forwarding.TUN, server),))


def state(server: Namespace) -> str:
    return server.run("ip", "-o", "address") + server.run("sysctl", "-a", "-r", r"conf\.[alt]")


@pytest.mark.parametrize(
    ("vip", "server"),
    [
        pytest.param(VIP4, SERVER4, id="tunl0"),
        pytest.param(VIP6, SERVER6, id="ip6tnl0"),
        pytest.param(VIP6, SERVER4, id="sit0"),
    ],
)
async def test_a_tunnelled_client_is_served(trio: Trio, tmp_path: Path, vip, server) -> None:
    """From nothing loaded to served; `down` takes it away again."""
    with trio.server.entered():
        async with this_machine(writing=True) as machine:
            await agent.up(plan(vip, server), machine, tmp_path)
            assert await agent.check(plan(vip, server), machine, tmp_path) == ()
    await trio.balance(vip, server)
    trio.serve(vip)
    assert trio.request(vip) == b"rs1"
    with trio.server.entered():
        async with this_machine(writing=True) as machine:
            await agent.down(machine, tmp_path)
    assert trio.request(vip) == b""


async def test_a_strict_tunnel_drops_clients_and_check_says_why(trio: Trio, tmp_path: Path) -> None:
    wish = plan(VIP4, SERVER4)
    await trio.balance(VIP4, SERVER4)
    with trio.server.entered():
        async with this_machine(writing=True) as machine:
            await agent.up(wish, machine, tmp_path)
            trio.serve(VIP4)
            trio.server.sysctl("net.ipv4.conf.tunl0.rp_filter", 0)
            assert await agent.check(wish, machine, tmp_path) == (
                "net.ipv4.conf.tunl0.rp_filter is 0, net.ipv4.conf.all.rp_filter 1, wanted 2",
            )
            assert trio.request(VIP4) == b""
            await agent.up(wish, machine, tmp_path)
            assert trio.request(VIP4) == b"rs1"


async def test_down_leaves_the_tunnel_device_as_it_was(trio: Trio, tmp_path: Path) -> None:
    """Found up with a foreign address, it stays up with it."""
    trio.server.run("modprobe", "ipip")
    trio.server.ip("link set tunl0 up", "address add 203.0.113.7/32 dev tunl0")
    before = state(trio.server)
    with trio.server.entered():
        async with this_machine(writing=True) as machine:
            await agent.up(plan(VIP4, SERVER4), machine, tmp_path)
            assert state(trio.server) != before
            await agent.down(machine, tmp_path)
    assert state(trio.server) == before


async def test_ipv4_inside_ipv6_is_refused_in_words(trio: Trio, tmp_path: Path) -> None:
    with trio.server.entered():
        async with this_machine(writing=True) as machine:
            with pytest.raises(HostError, match="takes no IPv4 inside IPv6"):
                await agent.up(plan(VIP4, SERVER6), machine, tmp_path)
