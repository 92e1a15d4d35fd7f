"""Virtual services: from the file to the values the kernel's table is made of."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from lvsha.core.plan import Damping, Initial, RealServer, VirtualService
from lvsha.core.types import (
    Family,
    Forwarding,
    FwmarkKey,
    OnFailure,
    Protocol,
    Service,
    ServiceFlags,
    ServiceKey,
    Tunnel,
    TunnelFlags,
    TunnelType,
)
from tests.config.text import cluster, router, service

KEY = ServiceKey(Protocol.TCP, ip_address("192.168.1.100"), 80)

SCHEDULERS = "rr wrr lc wlc lblc lblcr sh dh sed nq mh fo ovf".split()  # noqa: SIM905


def _one(text: str) -> VirtualService:
    (only,) = cluster(text).services
    return only


def test_the_shortest_service_has_the_documented_defaults() -> None:
    assert _one(service()) == VirtualService(
        name="http",
        service=Service(KEY, "wlc", ServiceFlags.NONE, 0, 32),
        real_servers=(RealServer(ip_address("192.168.1.21"), 80, Forwarding.DR, weight=1),),
        on_failure=OnFailure.REMOVE,
        quorum=1,
    )


@pytest.mark.parametrize("protocol", ["tcp", "udp", "sctp"])
def test_each_protocol_is_taken(protocol: str) -> None:
    assert _one(service(f"protocol: {protocol}")).key == ServiceKey(
        Protocol[protocol.upper()], KEY.address, 80
    )


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_each_scheduler_is_taken(scheduler: str) -> None:
    assert _one(service(f"scheduler: {scheduler}")).service.scheduler == scheduler


@pytest.mark.parametrize(
    ("scheduler", "flags", "value"),
    [
        ("sh", "[sh-port]", ServiceFlags.SCHED2),
        ("sh", "[sh-fallback]", ServiceFlags.SCHED1),
        ("mh", "[mh-port, mh-fallback]", ServiceFlags.SCHED1 | ServiceFlags.SCHED2),
    ],
)
def test_scheduler_flags_are_the_kernels(scheduler: str, flags: str, value: ServiceFlags) -> None:
    text = service(f"scheduler: {scheduler}", f"scheduler_flags: {flags}")
    assert _one(text).service.flags == value


@pytest.mark.parametrize(
    ("persistence", "timeout", "netmask"),
    [
        ("300s", 300, 32),
        ("5m", 300, 32),
        ("{timeout: 1h, netmask: 255.255.255.0}", 3600, 24),
    ],
)
def test_persistence_is_a_time_and_a_netmask(persistence: str, timeout: int, netmask: int) -> None:
    found = _one(service(f"persistence: {persistence}")).service
    assert found == Service(KEY, "wlc", ServiceFlags.PERSISTENT, timeout, netmask)


def test_an_ipv6_netmask_is_a_prefix_length() -> None:
    text = service(
        "persistence: {timeout: 60s, netmask: 64}",
        address="'2001:db8::100'",
        servers="['2001:db8::21']",
    )
    assert _one(text).service.netmask == 64
    assert _one(text.replace(", netmask: 64", "")).service.netmask == 128


def test_port_0_with_persistence_is_every_port() -> None:
    found = _one(service("persistence: 60s").replace("port: 80", "port: 0"))
    assert found.key == ServiceKey(Protocol.TCP, KEY.address, 0)
    assert found.real_servers[0].port == 0


def test_one_packet_scheduling_of_udp_is_a_flag() -> None:
    found = _one(service("protocol: udp", "one_packet: true"))
    assert found.service.flags == ServiceFlags.ONE_PACKET


def test_a_firewall_mark_stands_for_protocol_address_and_port() -> None:
    found = _one("""\
        virtual_services:
          - name: mark
            fwmark: 7
            family: ipv6
            forwarding: dr
            one_packet: true
            real_servers: ["2001:db8::21"]
        """)
    assert found.service == Service(
        FwmarkKey(Family.IPV6, 7), "wlc", ServiceFlags.ONE_PACKET, 0, 128
    )
    assert found.real_servers == (RealServer(ip_address("2001:db8::21"), 0, Forwarding.DR),)


def test_nat_maps_a_mark_to_a_port() -> None:
    found = _one("""\
        virtual_services:
          - {name: mark, fwmark: 7, family: ipv4, forwarding: nat,
             real_servers: [{address: 10.0.0.1, port: 8080}, 10.0.0.2]}
        """)
    assert [server.port for server in found.real_servers] == [8080, 0]


def test_a_mark_is_carried_by_whatever_router() -> None:
    text = router() + (
        "virtual_services:\n"
        "  - {name: mark, fwmark: 7, family: ipv4, forwarding: nat, real_servers: []}\n"
    )
    assert _one(text).key == FwmarkKey(Family.IPV4, 7)


def test_nat_maps_ports() -> None:
    text = service(servers="[{address: 192.168.1.21, port: 8080, forwarding: nat}]")
    assert _one(text).real_servers[0].port == 8080


def test_every_key_of_a_real_server_arrives() -> None:
    text = service(
        servers="[{address: 192.168.1.21, port: 80, weight: 0, forwarding: tun,"
        " tunnel: {type: gue, port: 6080, checksum: remote},"
        " upper_threshold: 20, lower_threshold: 10}]"
    )
    assert _one(text).real_servers == (
        RealServer(
            ip_address("192.168.1.21"),
            80,
            Forwarding.TUN,
            0,
            20,
            10,
            Tunnel(TunnelType.GUE, 6080, TunnelFlags.REMCSUM),
        ),
    )


@pytest.mark.parametrize(
    ("tunnel", "value"),
    [
        ("{type: ipip}", Tunnel()),
        ("ipip", Tunnel()),
        ("{type: gre}", Tunnel(TunnelType.GRE)),
        ("{type: gre, checksum: plain}", Tunnel(TunnelType.GRE, 0, TunnelFlags.CSUM)),
        ("{type: gue, port: 6080}", Tunnel(TunnelType.GUE, 6080)),
    ],
)
def test_each_tunnel_is_taken(tunnel: str, value: Tunnel) -> None:
    text = service(servers=f"[{{address: 10.9.0.5, forwarding: tun, tunnel: {tunnel}}}]")
    assert _one(text).real_servers[0].tunnel == value


def test_tun_carries_one_family_in_the_other() -> None:
    text = service(servers="[{address: '2001:db8::21', forwarding: tun}]")
    assert _one(text).real_servers[0].address == ip_address("2001:db8::21")


@pytest.mark.parametrize("address", ["224.0.0.9", "255.255.255.255", "127.0.0.1", "0.0.0.0"])
def test_a_destination_only_the_kernel_refuses_reaches_the_kernel(address: str) -> None:
    assert _one(service(servers=f"[{address}]")).real_servers[0].address == ip_address(address)


def test_a_link_local_destination_reaches_the_kernel() -> None:
    text = service(address="'2001:db8::100'", servers="['fe80::9']")
    assert _one(text).real_servers[0].address == ip_address("fe80::9")


def test_forwarding_is_the_servers_then_the_services_then_the_defaults() -> None:
    found = cluster("""\
        defaults: {forwarding: nat, on_failure: quiesce}
        virtual_services:
          - name: a
            address: 192.168.1.100
            port: 80
            real_servers: [10.0.0.1]
          - name: b
            address: 192.168.1.100
            port: 81
            forwarding: dr
            on_failure: remove
            real_servers: [10.0.0.1, {address: 10.0.0.2, forwarding: tun}]
        """).services
    words = [[server.forwarding for server in each.real_servers] for each in found]
    assert words == [[Forwarding.NAT], [Forwarding.DR, Forwarding.TUN]]
    assert [each.on_failure for each in found] == [OnFailure.QUIESCE, OnFailure.REMOVE]


def test_real_servers_stay_in_the_order_of_the_file() -> None:
    found = _one(service(servers="[10.0.0.9, 10.0.0.1, 10.0.0.5]"))
    assert [str(server.address) for server in found.real_servers] == [
        "10.0.0.9",
        "10.0.0.1",
        "10.0.0.5",
    ]


def test_a_service_may_be_without_servers() -> None:
    assert _one(service(servers="[]")).real_servers == ()


def test_without_virtual_routers_somebody_else_carries_the_addresses() -> None:
    assert _one(service(address="203.0.113.9")).key == ServiceKey(
        Protocol.TCP, ip_address("203.0.113.9"), 80
    )


def test_an_excluded_address_carries_a_service_too() -> None:
    text = router("excluded_addresses: ['2001:db8::100']") + service(
        address="'2001:db8::100'", servers="['2001:db8::21']"
    )
    assert _one(text).family is Family.IPV6


def test_tcp_and_udp_of_one_port_are_two_services() -> None:
    second = service("protocol: udp").replace("name: http", "name: dns").partition("\n")[2]
    assert len(cluster(service() + second).services) == 2


def test_a_backup_gets_the_forwarding_it_needs() -> None:
    found = _one(
        service(
            "backups: [[192.168.1.31, {address: 192.168.1.32, port: 8080}, 127.0.0.1],"
            " [{address: 192.168.1.33, forwarding: tun}]]"
        )
    )
    assert [[server.forwarding for server in tier] for tier in found.backups] == [
        [Forwarding.DR, Forwarding.NAT, Forwarding.LOCAL],
        [Forwarding.TUN],
    ]


def test_what_says_who_serves_is_in_the_plan() -> None:
    found = _one(
        service(
            "quorum: 2",
            "hysteresis: 1",
            "initial: up",
            "slow_start: 30s",
            "drain_timeout: 2m",
            "panic_threshold: 60",
            "active_when: master",
        )
        + router()
    )
    assert (found.quorum, found.hysteresis, found.initial) == (2, 1, Initial.UP)
    assert (found.slow_start, found.drain_timeout, found.panic_threshold) == (30.0, 120.0, 60)
    assert found.router == "web"


def test_with_mh_a_failed_server_keeps_its_place_whatever_is_inherited() -> None:
    text = service("scheduler: mh") + "defaults: {on_failure: remove}\n"
    assert _one(text).on_failure is OnFailure.QUIESCE


def test_damping_has_the_documented_defaults_and_is_off_without_the_key() -> None:
    assert cluster(service()).services[0].damping is None
    assert cluster(service("damping: {}")).services[0].damping == Damping(4, 60.0, 120.0)
    damping = cluster(service("damping: {transitions: 2, window: 5s, hold: 1m}"))
    assert damping.services[0].damping == Damping(2, 5.0, 60.0)
