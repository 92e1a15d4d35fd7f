"""Clients that stay, and servers that are left in peace, on the real kernel."""

from __future__ import annotations

from contextlib import closing

import pytest

from lvsha.lab.client import Target
from tests.kernel.site import CLIENTS, MAPPED_PORT, Site, names, servers, source

pytestmark = pytest.mark.kernel


def balance(site: Site, weights: tuple[int, int, int], vip: str, **keys: object) -> Target:
    return site.balance(
        dict(zip(servers("nat"), weights, strict=True)),
        port=MAPPED_PORT,
        address=vip,
        scheduler="rr",
        forwarding="nat",
        **keys,
    )


def test_persistence_keeps_a_client_with_its_server(site: Site) -> None:
    """rr would move it on; other clients still take turns."""
    target = balance(site, (1, 1, 1), site.fresh_vip(), persistence="300s")
    chosen = [site.client.count(target, 0, [source(client)] * 4) for client in CLIENTS[:3]]
    assert [len(answered) for answered in chosen] == [1, 1, 1]
    assert {name for answered in chosen for name in answered} == set(names("nat"))
    assert " rr persistent 300" in site.listing()


def test_a_persistence_netmask_keeps_a_whole_network_together(site: Site) -> None:
    persistence = {"timeout": 300, "netmask": "255.255.255.0"}
    target = balance(site, (1, 1, 1), site.fresh_vip(), persistence=persistence)
    assert len(site.client.count(target, 0, map(source, CLIENTS))) == 1
    assert " persistent 300 mask 255.255.255.0" in site.listing()


def test_weight_0_drains_a_server(site: Site) -> None:
    """Its established connection lives on, and nobody new comes to it."""
    vip = site.fresh_vip()
    target = balance(site, (1, 1, 1), vip)
    with closing(site.client.hold(target)) as conversation:
        name = conversation.ask()
        drained = names("nat").index(name)
        balance(site, tuple(0 if n == drained else 1 for n in range(3)), vip)
        assert conversation.ask() == name
        answered = site.client.count(target, 6)
        assert set(answered) == set(names("nat")) - {name}
        assert conversation.ask() == name
    row = site.rows()[f"{servers('nat')[drained]}:{MAPPED_PORT}"]
    assert row.weight == 0


def test_weight_0_lets_go_of_persistent_clients(site: Site) -> None:
    """With expire_quiescent_template, the file's default: their next connection goes elsewhere."""
    site.director.sysctl("net.ipv4.vs.expire_quiescent_template", 1)
    vip = site.fresh_vip()
    (first,) = site.client.count(balance(site, (1, 1, 1), vip, persistence="300s"), 2)
    drained = names("nat").index(first)
    weights = tuple(0 if n == drained else 1 for n in range(3))
    (second,) = site.client.count(balance(site, weights, vip, persistence="300s"), 4)
    assert second != first
