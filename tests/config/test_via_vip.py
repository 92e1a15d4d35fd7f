"""`via: vip` in the file: what it makes of a check, and of each node's plan."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from lvsha.config.resolve import Cluster, resolve
from lvsha.core.plan import Check
from lvsha.core.types import Forwarding, Tunnel, TunnelType
from tests.config.text import cluster, service

VIP = ip_address("192.168.1.100")


def _checks(found: Cluster, node: str = "lb1") -> list[Check]:
    servers = [
        each for service in resolve(found, node).director.services for each in service.servers
    ]
    return [check for server in servers for check in server.checks]


@pytest.mark.parametrize(
    "kind",
    [
        "tcp",
        "http",
        "https",
        "tls",
        "grpc",
        "udp, expect: pong",
        "dns",
        "smtp",
        "redis",
        "mysql",
        "postgres",
    ],
)
def test_a_check_of_a_port_asks_at_the_virtual_address_by_way_of_its_server(kind: str) -> None:
    (check,) = _checks(cluster(service(f"check: {{type: {kind}, via: vip}}")))
    assert (check.address, check.port) == (VIP, 80)
    assert check.origin is not None
    assert check.origin.detour is not None
    assert check.origin.detour.server == ip_address("192.168.1.21")
    assert check.origin.mark


def test_each_node_asks_from_its_own_address_and_listens_on_its_own_interface() -> None:
    found = cluster(service("check: {type: tcp, via: vip}"))
    one, two = _checks(found) + _checks(found, "lb2")
    assert one.origin is not None
    assert two.origin is not None
    assert str(one.origin.source) == "192.168.1.11"
    assert str(two.origin.source) == "192.168.1.12"
    assert one.origin.mark == two.origin.mark
    settings = [resolve(found, node).director.sysctls for node in ("lb1", "lb2")]
    assert [each.get("net.ipv4.conf.eth0.accept_local") for each in settings] == ["1", None]
    assert [each.get("net.ipv4.conf.ens3.accept_local") for each in settings] == [None, "1"]


def test_a_check_that_goes_straight_asks_for_no_setting() -> None:
    plan = resolve(cluster(service("check: {type: tcp, via: server}")), "lb1").director
    assert not [name for name in plan.sysctls if name.endswith("accept_local")]


def test_a_port_of_its_own_is_asked_at_the_virtual_address() -> None:
    (check,) = _checks(cluster(service("check: {type: tcp, via: vip, port: 8081}")))
    assert (check.address, check.port) == (VIP, 8081)


def test_a_tunnel_is_that_of_the_server() -> None:
    server = "{address: 10.9.0.5, forwarding: tun, tunnel: {type: gue, port: 6080}}"
    (check,) = _checks(cluster(service("check: {type: tcp, via: vip}", servers=f"[{server}]")))
    assert check.origin is not None
    detour = check.origin.detour
    assert detour is not None
    assert (detour.forwarding, detour.tunnel) == (Forwarding.TUN, Tunnel(TunnelType.GUE, 6080))


def test_a_service_by_mark_is_asked_at_the_address_its_check_says() -> None:
    text = """
    virtual_services:
      - name: marked
        fwmark: 7
        family: ipv4
        forwarding: dr
        check: {type: tcp, via: vip, address: 192.168.1.100, port: 80}
        real_servers: [192.168.1.21]
    """
    (check,) = _checks(cluster(text))
    assert (check.address, check.port) == (VIP, 80)
    assert check.origin is not None
    assert check.origin.mark not in (0, 7)


def test_a_server_may_be_asked_straight_where_its_service_goes_by_vip() -> None:
    mixed = '["192.168.1.21", {address: 10.0.0.2, forwarding: nat, check: {via: server}}]'
    one, two = _checks(cluster(service("check: {type: tcp, via: vip}", servers=mixed)))
    assert one.address == VIP
    assert (two.address, two.origin) == (ip_address("10.0.0.2"), None)


def test_a_node_that_a_device_is_named_for_needs_no_interface() -> None:
    head = "cluster: web\nnodes: {lb1: {address: 192.168.1.11}}\n"
    found = cluster(service("check: {type: tcp, via: vip, device: {lb1: eth1}}"), head=head)
    assert resolve(found, "lb1").director.sysctls["net.ipv4.conf.eth1.accept_local"] == "1"
