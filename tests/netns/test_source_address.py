"""Which address a machine speaks from while it holds VIPs."""

from __future__ import annotations

import asyncio
from ipaddress import ip_interface

import pytest

from lvsha.kernel.addresses import KernelAddresses
from lvsha.lab.topology import FRONT, REAL_SERVER, VIRTUAL, Lab, cluster

pytestmark = pytest.mark.netns


async def add(address: str) -> None:
    addresses = await KernelAddresses.open()
    await addresses.add("eth0", ip_interface(address))
    await addresses.close()


@pytest.mark.parametrize("version", [4, 6])
def test_a_vip_is_not_what_a_director_speaks_from(version: int) -> None:
    """A real server holds the VIP itself: it would drop checks and tunnel packets from there."""
    which = version == 6
    vip, server = (FRONT.addresses(number)[which].ip for number in (VIRTUAL, REAL_SERVER))
    with Lab() as lab:
        (director,) = cluster(lab, directors=1, real_servers=1).directors
        with director.entered():
            asyncio.run(add(f"{vip}/{128 if which else 32}"))
        route = director.run("ip", "route", "get", str(server)).split()
        assert route[route.index("src") + 1] == str(FRONT.addresses(11)[which].ip)
