"""Every scheduler, chosen in the file, spreads real connections as it promises.

NAT, so that the director sees both directions and its counts of active connections are exact;
a VIP of its own for each test, so that no earlier connection counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from ipaddress import ip_address

import pytest

from lvsha.lab.client import Held, Target
from tests.kernel.site import CLIENTS, MAPPED_PORT, Site, even, names, servers, source

pytestmark = pytest.mark.kernel

FIRST, SECOND, THIRD = names("nat")


@pytest.fixture
def held() -> Iterator[ExitStack]:
    """Conversations that end with the test."""
    with ExitStack() as conversations:
        yield conversations


def balance(site: Site, scheduler: str, weights: tuple[int, int, int], **keys: object) -> Target:
    target = site.balance(
        dict(zip(servers("nat"), weights, strict=True)),
        port=MAPPED_PORT,
        address=site.fresh_vip(),
        scheduler=scheduler,
        forwarding="nat",
        **keys,
    )
    assert f" {scheduler} " in site.listing().splitlines()[3] + " "
    return target


def hold(site: Site, target: Target, held: ExitStack, count: int) -> list[tuple[str, Held]]:
    """Conversations opened one after the other and kept, with who they are with."""
    opened = [held.enter_context(closing(site.client.hold(target))) for _ in range(count)]
    return [(each.ask(), each) for each in opened]


def order(conversations: list[tuple[str, Held]]) -> list[str]:
    return [name for name, _ in conversations]


def by_client(site: Site, target: Target, requests: int = 4) -> dict[int, set[str]]:
    """Who answers each client address."""
    return {
        client: set(site.client.count(target, 0, [source(client)] * requests)) for client in CLIENTS
    }


def test_rr_takes_turns(site: Site) -> None:
    """Weights do not matter to it."""
    assert site.client.count(balance(site, "rr", (5, 1, 1)), 30) == even(30, names("nat"))


def test_wrr_takes_turns_by_weight(site: Site) -> None:
    target = balance(site, "wrr", (3, 2, 1))
    assert site.client.count(target, 30) == Counter({FIRST: 15, SECOND: 10, THIRD: 5})


def test_lc_evens_out_active_connections(site: Site, held: ExitStack) -> None:
    """Whatever the weights; the two that a server loses are the next two it gets."""
    target = balance(site, "lc", (3, 1, 1))
    conversations = hold(site, target, held, 6)
    assert Counter(order(conversations)) == even(6, names("nat"))
    for name, conversation in conversations:
        if name == SECOND:
            conversation.close()
    assert set(order(hold(site, target, held, 2))) == {SECOND}


def test_wlc_evens_out_active_connections_by_weight(site: Site, held: ExitStack) -> None:
    target = balance(site, "wlc", (2, 1, 1))
    conversations = hold(site, target, held, 8)
    assert Counter(order(conversations)) == Counter({FIRST: 4, SECOND: 2, THIRD: 2})


def test_sed_prefers_a_strong_server_to_an_idle_one(site: Site, held: ExitStack) -> None:
    """Expected delay (active + 1) / weight: 1/4, 2/4 and 3/4 are all below an idle server's 1/1."""
    conversations = hold(site, balance(site, "sed", (4, 1, 1)), held, 3)
    assert order(conversations) == [FIRST] * 3


def test_nq_goes_to_an_idle_server_first(site: Site, held: ExitStack) -> None:
    """Everybody gets one before anybody gets two; then it decides as sed does."""
    conversations = hold(site, balance(site, "nq", (4, 1, 1)), held, 6)
    assert set(order(conversations)[:3]) == {FIRST, SECOND, THIRD}
    assert order(conversations)[3:] == [FIRST] * 3


@pytest.mark.parametrize("scheduler", ["sh", "mh"])
def test_source_hashes_keep_each_client_where_it_is(site: Site, scheduler: str) -> None:
    """Eight clients, always the same server for one, not the same one for all."""
    chosen = by_client(site, balance(site, scheduler, (1, 1, 1)))
    assert all(len(answered) == 1 for answered in chosen.values())
    assert len(set.union(*chosen.values())) > 1


def test_sh_port_spreads_the_connections_of_one_client(site: Site) -> None:
    """The flag adds the port to what is hashed; the same port goes to the same server."""
    target = balance(site, "sh", (1, 1, 1), scheduler_flags=["sh-port"])
    address = source(CLIENTS[0])[0]
    assert len(site.client.count(target, 0, [(address, 40_000 + n) for n in range(12)])) > 1


@pytest.mark.parametrize("scheduler", ["dh", "lblc", "lblcr"])
def test_destination_hashes_keep_all_clients_together(site: Site, scheduler: str) -> None:
    """One VIP is one destination: every client meets the same server while it can cope."""
    chosen = by_client(site, balance(site, scheduler, (100, 100, 100)))
    assert len(set.union(*chosen.values())) == 1


def test_dh_spreads_destinations(site: Site) -> None:
    """One service by firewall mark for many VIPs: each VIP has its server, not all the same."""
    vips = [site.fresh_vip() for _ in range(8)]
    site.mark(7)
    weights = dict.fromkeys(servers("nat"), 1)
    keys = {"fwmark": 7, "family": "ipv4", "scheduler": "dh", "forwarding": "nat"}
    target = site.balance(weights, port=MAPPED_PORT, **keys)
    targets = [replace(target, address=ip_address(vip)) for vip in vips]
    chosen = [set.union(*by_client(site, each, 1).values()) for each in targets]
    site.unmark()
    assert all(len(answered) == 1 for answered in chosen)
    assert len(set.union(*chosen)) > 1


def test_fo_leaves_the_others_idle(site: Site) -> None:
    """Only the highest weight serves."""
    assert site.client.count(balance(site, "fo", (1, 3, 2)), 6) == Counter({SECOND: 6})


def test_ovf_fills_one_server_before_the_next(site: Site, held: ExitStack) -> None:
    """The highest weight first, until it has more active connections than its weight."""
    conversations = hold(site, balance(site, "ovf", (1, 3, 2)), held, 8)
    assert order(conversations) == [SECOND] * 4 + [THIRD] * 3 + [FIRST]
