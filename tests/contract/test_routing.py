"""Routes and rules: what is true of the kernel is true of its twin."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

import pytest

from lvsha.core.moving import VirtualRoute, VirtualRule
from lvsha.errors import KernelError
from lvsha.kernel.memory_routing import MemoryRouting
from lvsha.kernel.ports import Routing
from lvsha.kernel.routing import KernelRouting
from tests.network import own_network, run

NET4, NET6 = ip_network("10.1.0.0/16"), ip_network("2001:db8:1::/48")
DEFAULT = ip_network("0.0.0.0/0")
ROUTES = [
    VirtualRoute(NET4, ip_address("192.0.2.254")),
    VirtualRoute(NET6, ip_address("2001:db8::254")),
    VirtualRoute(NET4, ip_address("192.0.2.254"), table=100),
]
RULES = [VirtualRule(ip_network("192.0.2.100/32"), 100), VirtualRule(NET6, 100)]


@dataclass
class Host:
    """`learn` and `forget` change the main table as somebody else would."""

    routing: Routing
    learn: Callable[[object], object]
    forget: Callable[[object], object]


@asynccontextmanager
async def kernel_host() -> AsyncIterator[Host]:
    with own_network():
        run("ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up")
        run("ip addr add 192.0.2.1/24 dev v0; ip addr add 2001:db8::1/64 dev v0 nodad")
        routing = await KernelRouting.open()

        def change(verb: str) -> Callable[[object], object]:
            return lambda to: run(f"ip -{to.version} route {verb} {to} dev v0")

        try:
            yield Host(routing, change("add"), change("del"))
        finally:
            await routing.close()


@asynccontextmanager
async def twin() -> AsyncIterator[Host]:
    routing = MemoryRouting()
    yield Host(routing, routing.learn, routing.forget)
    await routing.close()


@pytest.fixture(params=[twin, pytest.param(kernel_host, marks=pytest.mark.netns)])
async def host(request: pytest.FixtureRequest) -> AsyncIterator[Host]:
    async with request.param() as made:
        yield made


@pytest.mark.parametrize("network", [NET4, NET6, DEFAULT], ids=str)
async def test_a_route_is_found_while_it_is_there(host, network):
    assert not await host.routing.has_route(network)
    host.learn(network)
    assert await host.routing.has_route(network)
    host.forget(network)
    assert not await host.routing.has_route(network)


async def test_a_wider_or_narrower_route_is_another(host):
    host.learn(ip_network("10.1.0.0/24"))
    host.learn(ip_network("10.0.0.0/8"))
    assert not await host.routing.has_route(NET4)


async def test_a_change_is_told(host):
    changes = host.routing.changes()
    told = asyncio.ensure_future(anext(changes))
    await asyncio.sleep(0.05)
    assert not told.done()
    host.learn(NET4)
    await asyncio.wait_for(told, 5)
    await changes.aclose()


@pytest.mark.parametrize("path", [*ROUTES, *RULES], ids=str)
async def test_what_is_added_twice_exists_and_what_is_removed_twice_is_gone(host, path):
    await host.routing.add("v0", path)
    with pytest.raises(KernelError) as caught:
        await host.routing.add("v0", path)
    assert caught.value.errno == errno.EEXIST
    await host.routing.remove("v0", path)
    with pytest.raises(KernelError) as caught:
        await host.routing.remove("v0", path)
    assert caught.value.errno in (errno.ESRCH, errno.ENOENT)


@pytest.mark.netns
async def test_our_own_route_in_another_table_is_not_in_the_main_one():
    async with kernel_host() as host:
        await host.routing.add("v0", ROUTES[2])
        assert not await host.routing.has_route(NET4)
        await host.routing.add("v0", ROUTES[0])
        assert await host.routing.has_route(NET4)


@pytest.mark.netns
async def test_a_route_whose_link_has_no_carrier_is_not_usable():
    async with kernel_host() as host:
        host.learn(NET4)
        run("ip link set v1 down")
        async with asyncio.timeout(5):  # the kernel tells of a lost carrier once a second at most
            while await host.routing.has_route(NET4):
                await asyncio.sleep(0.05)


@pytest.mark.netns
async def test_a_route_is_found_among_thousands():
    async with kernel_host() as host:
        lines = "".join(
            f"route add 10.{n // 256}.{n % 256}.0/24 dev v0\n" for n in range(256, 8000)
        )
        run("ip -batch -", stdin=lines)
        host.learn(ip_network("172.31.0.0/16"))
        assert await host.routing.has_route(ip_network("172.31.0.0/16"))
        assert not await host.routing.has_route(ip_network("172.30.0.0/16"))
