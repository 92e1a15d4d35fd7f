"""Checks through the data path: marks, what a node adds, the services that carry them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from lvsha.core import desired
from lvsha.core.detour import FIRST_MARK, Detour, Origin, marks
from lvsha.core.plan import Check, DirectorPlan, RealServer, VirtualService
from lvsha.core.probes import TcpProbe
from lvsha.core.through import Here, detour_services, laid, settings
from lvsha.core.types import (
    Address,
    Destination,
    DestinationKey,
    Family,
    Forwarding,
    FwmarkKey,
    Protocol,
    Service,
    ServiceKey,
    Tunnel,
    TunnelType,
)

VIP = ip_address("192.168.1.100")
VIP6 = ip_address("2001:db8::100")
NODE = ip_address("192.168.1.11")
HERE = Here(NODE, "eth0.5", {VIP: "eth1"})
ONE, TWO = ip_address("192.168.1.21"), ip_address("192.168.1.22")


def _server(address: Address, vip: Address, **origin: object) -> RealServer:
    detour = Detour(address, Forwarding.DR)
    check = Check(TcpProbe(), vip, 80, origin=Origin(detour=detour, **origin))
    return RealServer(address, 80, Forwarding.DR, checks=(check,))


def _service(name: str, vip: Address, *servers: RealServer) -> VirtualService:
    bits = Family.of(vip).bits
    return VirtualService(name, Service(ServiceKey(Protocol.TCP, vip, 80), netmask=bits), servers)


def _origins(services: tuple[VirtualService, ...]) -> list[Origin | None]:
    servers = chain.from_iterable(service.servers for service in services)
    return [check.origin for server in servers for check in server.checks]


def test_services_without_a_detour_stay_the_very_same() -> None:
    services = (_service("http", VIP, RealServer(ONE, 80, Forwarding.DR)),)
    assert laid(services, HERE) is services
    assert detour_services(services) == ()
    assert settings(services) == {}


def test_a_node_adds_its_address_its_interfaces_and_a_mark_for_each_server() -> None:
    first, second = _origins(
        laid((_service("http", VIP, _server(ONE, VIP), _server(TWO, VIP)),), HERE)
    )
    assert first is not None
    assert second is not None
    assert (first.source, second.source) == (NODE, NODE)
    assert first.detour == Detour(ONE, Forwarding.DR, interface="eth0.5", link="eth1")
    assert first.mark != second.mark
    assert {mark >> 24 for mark in (first.mark, second.mark)} == {FIRST_MARK >> 24}


def test_checks_of_two_servers_at_one_vip_are_two_checks() -> None:
    (service,) = laid((_service("http", VIP, _server(ONE, VIP), _server(TWO, VIP)),), HERE)
    assert len({check for server in service.servers for check in server.checks}) == 2


def test_a_source_of_the_file_stays_and_the_other_family_has_none_of_the_node() -> None:
    own = ip_address("192.168.1.99")
    services = (
        _service("http", VIP, _server(ONE, VIP, source=own)),
        _service("http6", VIP6, _server(ip_address("2001:db8::21"), VIP6)),
    )
    assert [origin and origin.source for origin in _origins(laid(services, HERE))] == [own, None]


def test_backups_are_laid_too() -> None:
    service = replace(_service("http", VIP), backups=((_server(ONE, VIP),),))
    (origin,) = _origins(laid((service,), HERE))
    assert origin is not None
    assert origin.mark


def test_one_detour_service_serves_all_services_of_a_server() -> None:
    services = laid(
        (_service("a", VIP, _server(ONE, VIP)), _service("b", VIP, _server(ONE, VIP))), HERE
    )
    (only,) = detour_services(services)
    (origin, _) = _origins(services)
    assert origin is not None
    assert only.service == Service(FwmarkKey(Family.IPV4, origin.mark), "rr", netmask=32)
    assert [(each.key, each.forwarding) for each in only.servers] == [
        (DestinationKey(ONE, 0), Forwarding.DR)
    ]


def test_the_table_has_detours_whatever_becomes_of_their_servers() -> None:
    services = laid((_service("http", VIP, _server(ONE, VIP)),), HERE)
    plan = DirectorPlan("web", "lb1", services)
    table = desired.build(plan, desired.View(desired.all_up), {})
    _, key = table
    assert isinstance(key, FwmarkKey)
    one = DestinationKey(ONE, 0)
    assert dict(table[key].destinations) == {one: Destination(one, Forwarding.DR, 1)}


def test_only_ipv4_needs_packets_from_own_addresses_accepted() -> None:
    assert settings(laid((_service("http", VIP, _server(ONE, VIP)),), HERE)) == {
        "net.ipv4.conf.eth0/5.accept_local": "1"
    }
    six = _service("http6", VIP6, _server(ip_address("2001:db8::21"), VIP6))
    assert settings(laid((six,), HERE)) == {}


def test_another_device_is_where_answers_come_in_and_its_address_the_source() -> None:
    services = laid((_service("http", VIP, _server(ONE, VIP, device="eth2")),), HERE)
    (origin,) = _origins(services)
    assert origin is not None
    assert origin.detour is not None
    assert (origin.source, origin.device, origin.detour.interface) == (None, None, "eth2")
    assert settings(services) == {"net.ipv4.conf.eth2.accept_local": "1"}


def test_hops_are_few_on_the_link_and_as_usual_in_a_tunnel() -> None:
    assert Detour(ONE, Forwarding.DR).hops == 3
    assert Detour(ONE, Forwarding.TUN).hops is None


def test_a_server_reached_in_two_ways_has_two_marks() -> None:
    gue = Tunnel(TunnelType.GUE, 6080)
    ways = [
        Detour(ONE, Forwarding.DR),
        Detour(ONE, Forwarding.TUN),
        Detour(ONE, Forwarding.TUN, gue),
    ]
    assert len(set(marks(ways, set()).values())) == 3


DETOURS = st.lists(
    st.integers(1, 2**32 - 1).map(lambda n: Detour(ip_address(n), Forwarding.DR)), max_size=30
)


@given(DETOURS)
def test_marks_differ_depend_on_no_order_and_avoid_those_taken(detours: list[Detour]) -> None:
    found = marks(detours, set())
    assert len(set(found.values())) == len({detour.way for detour in detours})
    assert marks(reversed(detours), set()) == found
    moved = marks(detours, set(found.values()))
    assert not set(moved.values()) & set(found.values())


def test_the_marks_of_a_file_are_left_alone() -> None:
    services = (_service("http", VIP, _server(ONE, VIP)),)
    (origin,) = _origins(laid(services, HERE))
    assert origin is not None
    marked = VirtualService("marked", Service(FwmarkKey(Family.IPV6, origin.mark), netmask=128), ())
    moved, *_ = _origins(laid((*services, marked), HERE))
    assert moved is not None
    assert moved.mark == origin.mark + 1
