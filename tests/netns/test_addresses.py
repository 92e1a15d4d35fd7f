"""What other tools and sockets see of the addresses we add."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from ipaddress import ip_interface

import pytest

from lvsha.kernel.addresses import KernelAddresses
from tests.network import own_network, run

pytestmark = pytest.mark.netns


@pytest.fixture(autouse=True)
def cable() -> Iterator[None]:
    with own_network():
        run("ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up")
        run("ip address add 2001:db8::11/64 dev v0 nodad")
        yield


async def add(*texts: str) -> None:
    addresses = await KernelAddresses.open()
    for text in texts:
        await addresses.add("v0", ip_interface(text))
    await addresses.close()
    while "tentative" in run("ip -6 -o address show dev v0 scope global"):
        time.sleep(0.01)  # the kernel's own work queue has yet to look at it


def source_towards(destination: str) -> str:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        probe.connect((destination, 9))
        return probe.getsockname()[0]


async def test_an_ipv6_vip_answers_at_once() -> None:
    """No duplicate address detection: for the second that takes, it would answer nobody."""
    await add("2001:db8::100/128", "2001:db8::101/64")
    shown = run("ip -6 -o address show dev v0 scope global").splitlines()
    assert ["nodad" in line for line in shown if "::10" in line] == [True, True]


@pytest.mark.parametrize("prefix", [128, 64])
async def test_an_ipv6_vip_is_no_source_for_what_the_machine_itself_sends(prefix: int) -> None:
    """Though it is the newest and shares more bits with the destination."""
    run(f"ip address add 2001:db8::101/{prefix} dev v0 nodad")
    assert source_towards("2001:db8::121") == "2001:db8::101"  # what would happen
    run(f"ip address del 2001:db8::101/{prefix} dev v0")
    await add(f"2001:db8::100/{prefix}")
    assert source_towards("2001:db8::121") == "2001:db8::11"
