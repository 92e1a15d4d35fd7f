"""Many routers, many addresses: nothing a take-over has to do makes an advertisement late."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

import pytest

from tests.netns.capture import Capture, captured
from tests.netns.pair import HEAD, Node, Site, eventually, site

pytestmark = [pytest.mark.netns, pytest.mark.long, pytest.mark.timeout(180)]

LB1, LB2 = 150, 100
"""Their priorities tell whose an advertisement is."""
INTERVAL = 1.0


@dataclass(frozen=True)
class Load:
    """What one file asks for: routers, and all addresses that have to move."""

    routers: str
    numbers: tuple[int, ...]
    addresses: frozenset[str]


def many_routers() -> Load:
    addresses = [str(ip_address("10.77.0.0") + n) for n in range(1, 251)]
    lines = [
        f"  - {{name: r{n}, virtual_router_id: {n}, addresses: [{address}]}}\n"
        for n, address in enumerate(addresses, start=1)
    ]
    return Load("".join(lines), tuple(range(1, 251)), frozenset(addresses))


def long_list(first: list[str], beginning: str, advertised: int, count: int) -> Load:
    """One router; what no advertisement holds is excluded."""
    made = first + [str(ip_address(beginning) + n) for n in range(1, count + 1 - len(first))]
    lists = ["[" + ", ".join(f"'{each}'" for each in part) + "]"
             for part in (made[:advertised], made[advertised:])]  # fmt: skip
    text = (
        f"  - {{name: web, virtual_router_id: 51, addresses: {lists[0]}, "
        f"excluded_addresses: {lists[1]}}}\n"
    )
    return Load(text, (51,), frozenset(made))


LOADS = {
    "250 routers": many_routers(),
    "250 IPv4 addresses": long_list([], "10.77.0.0", 250, 250),
    "90 of 250 IPv6 addresses": long_list(["fe80::77:1"], "2001:db8:77::", 90, 250),
}


@pytest.fixture(params=LOADS.values(), ids=LOADS)
def load(request) -> Load:
    return request.param


@pytest.fixture
def place() -> Iterator[Site]:
    with site() as made:
        yield made


def states(node: Node) -> set[str]:
    found = (node.status() or {}).get("virtual_routers", ())
    return {router["state"] for router in found}


def present(node: Node) -> frozenset[str]:
    lines = node.machine.run("ip", "-o", "address", "show", "dev", "eth0").splitlines()
    return frozenset(line.split()[3].partition("/")[0] for line in lines)


def late(capture: Capture, priority: int, load: Load) -> list[tuple[int, float]]:
    """Routers with an advertisement late by more than an interval, and the gap it made."""
    gaps = [(number, capture.longest_gap(priority, number)) for number in load.numbers]
    return [(number, round(gap, 3)) for number, gap in gaps if gap > 2 * INTERVAL]


def settled(master: Node, load: Load) -> None:
    eventually("master of all", lambda: states(master) == {"MASTER"})
    eventually("all addresses", lambda: load.addresses <= present(master))


def beyond_the_second_burst(capture: Capture, priority: int, load: Load) -> None:
    """Eight advertisements of each: the second burst comes after five seconds."""
    wanted = 8 * len(load.numbers)
    eventually(
        "eight", lambda: [each.priority for each in capture.since(0)].count(priority) >= wanted
    )


def test_no_advertisement_is_late_by_an_interval_whoever_takes_over(place, load):
    """A crash, then the return of the better node; it listens on through the second bursts."""
    lb1, lb2 = place.pair
    with captured(place.lab.namespaces["front"]) as capture:
        place.start(HEAD + load.routers)
        settled(lb1, load)
        eventually("a backup", lambda: states(lb2) == {"BACKUP"})
        capture.heard.clear()
        lb1.die()
        settled(lb2, load)
        beyond_the_second_burst(capture, LB2, load)
        assert late(capture, LB2, load) == []
        capture.heard.clear()
        lb1.machine.link(up=True)
        lb1.start()
        settled(lb1, load)
        eventually("given up", lambda: load.addresses.isdisjoint(present(lb2)))
        beyond_the_second_burst(capture, LB1, load)
        assert late(capture, LB1, load) == []
        assert states(lb2) == {"BACKUP"}
