"""A service with an address range or a list of ports stands for one service each."""

from __future__ import annotations

from ipaddress import ip_address

from lvsha.core.plan import VirtualService
from lvsha.core.types import ServiceKey
from tests.config.text import cluster, router, service


def _all(text: str) -> list[VirtualService]:
    return list(cluster(text).services)


def _names(text: str) -> list[str]:
    return [each.name for each in _all(text)]


def test_a_list_of_ports_is_a_service_each_whose_servers_have_that_port():
    found = _all(service().replace("port: 80", "port: [80, 443]"))
    assert [each.name for each in found] == ["http-80", "http-443"]
    assert [each.key.port for each in found if isinstance(each.key, ServiceKey)] == [80, 443]
    assert [each.real_servers[0].port for each in found] == [80, 443]


def test_a_list_of_one_is_still_named_as_it_is():
    assert _names(service().replace("port: 80", "port: [80]")) == ["http"]


def test_an_address_range_is_a_service_each_both_ends_included():
    found = _all(service(address="192.168.1.9-11"))
    assert [each.name for each in found] == [f"http-192.168.1.{n}" for n in (9, 10, 11)]
    assert [each.key.address for each in found if isinstance(each.key, ServiceKey)] == [
        ip_address(f"192.168.1.{n}") for n in (9, 10, 11)
    ]


def test_the_end_of_a_range_may_be_a_whole_address_of_either_family():
    assert len(_names(service(address="192.168.1.250-192.168.2.5"))) == 12
    text = service(address="2001:db8::fe-2001:db8::101", servers="['2001:db8:1::21']")
    assert _names(text)[:2] == ["http-2001-db8--fe", "http-2001-db8--ff"]
    assert len(_names(text)) == 4


def test_range_and_list_together_are_every_pair_and_share_their_servers_checks():
    text = service("check: {type: tcp, port: 8081}", address="192.168.1.9-10")
    found = _all(text.replace("    port: 80\n", "    port: [80, 443]\n"))
    assert [each.name for each in found] == [
        f"http-192.168.1.{n}-{port}" for n in (9, 10) for port in (80, 443)
    ]
    assert len({each.real_servers[0].checks for each in found}) == 1


def test_each_address_of_a_range_is_carried_by_a_router_of_its_own():
    routers = router(addresses="[192.168.1.9]") + (
        "  -\n    name: other\n    virtual_router_id: 52\n    addresses: [192.168.1.10]\n"
    )
    found = _all(service("active_when: master", address="192.168.1.9-10") + routers)
    assert [each.router for each in found] == ["web", "other"]
