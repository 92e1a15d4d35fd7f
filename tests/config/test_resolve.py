"""What the file asks of a node, of every node, of a real server."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from pathlib import Path

import pytest

from lvsha.config.resolve import load, own_name, resolve, resolve_all, resolve_real_server
from lvsha.core.plan import LoopbackAddress
from lvsha.core.types import Forwarding, Timeouts
from lvsha.errors import UsageError
from tests.config.text import HEAD, cluster, router, service

EXAMPLE = Path(__file__).parents[2] / "conf" / "cluster.yaml"
VIP = ip_address("192.168.1.100")


def test_both_nodes_balance_the_same_and_differ_in_vrrp_only() -> None:
    first, second = resolve_all(load(EXAMPLE))
    assert (first.director.node, second.director.node) == ("lb1", "lb2")
    assert first.director.services == second.director.services
    assert [router.priority for router in first.vrrp.routers] == [150]
    assert [router.priority for router in second.vrrp.routers] == [100]


def test_a_node_is_found_by_its_name() -> None:
    plans = resolve(cluster(router()), "lb2")
    assert (plans.vrrp.cluster, plans.vrrp.node) == ("web", "lb2")
    assert plans.vrrp.routers[0].interface == "ens3"


def test_a_machine_finds_itself_by_its_short_hostname(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "lb2.example.net")
    assert own_name(cluster("")) == "lb2"


def test_an_unknown_node_is_told_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        resolve(cluster(""), "lb9")
    assert str(caught.value) == "web.yaml: no node 'lb9'; the file has lb1, lb2"
    assert caught.value.exit_code == 2


def test_an_unknown_hostname_is_told_how_it_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "laptop")
    with pytest.raises(UsageError) as caught:
        resolve(cluster(""))
    assert str(caught.value) == (
        "web.yaml: no node 'laptop' (this machine's hostname; --node names another); "
        "the file has lb1, lb2"
    )


def test_the_directors_settings_are_the_documented_defaults() -> None:
    director = resolve(cluster(""), "lb1").director
    assert director.services == ()
    assert director.resync_interval == 5.0
    assert director.timeouts is None
    assert director.api is None
    assert director.sysctls == {
        "net.ipv4.vs.expire_nodest_conn": "1",
        "net.ipv4.vs.expire_quiescent_template": "1",
    }


def test_the_directors_settings_are_the_files() -> None:
    director = resolve(
        cluster("""\
            resync_interval: 500ms
            timeouts: {tcp: 15m, udp: 30}
            api: {listen: "[::1]:9817"}
            sysctls: {expire_nodest_conn: false, sync_threshold: "3 50", drop_entry: 2}
            """),
        "lb1",
    ).director
    assert director.resync_interval == 0.5
    assert director.timeouts == Timeouts(tcp=900, tcp_fin=0, udp=30)
    assert director.api == ("::1", 9817)
    assert director.sysctls == {
        "net.ipv4.vs.expire_nodest_conn": "0",
        "net.ipv4.vs.sync_threshold": "3 50",
        "net.ipv4.vs.drop_entry": "2",
    }


def test_empty_sysctls_touch_none() -> None:
    assert resolve(cluster("sysctls: {}"), "lb1").director.sysctls == {}


def test_a_real_server_carries_the_addresses_it_serves_by_dr_and_tun() -> None:
    file = cluster("""\
        virtual_services:
          - {name: a, address: 192.168.1.100, port: 80, forwarding: dr, real_servers: [10.0.0.1]}
          - {name: b, address: 192.168.1.100, port: 443, forwarding: dr, real_servers: [10.0.0.1]}
          - {name: c, address: 192.168.1.101, port: 80, forwarding: tun, real_servers: [10.0.0.1]}
          - {name: d, address: 192.168.1.102, port: 80, forwarding: nat, real_servers: [10.0.0.1]}
          - {name: e, address: 192.168.1.103, port: 80, forwarding: dr, real_servers: [10.0.0.2]}
        """)
    plan = resolve_real_server(file, None, [ip_address("127.0.0.1"), ip_address("10.0.0.1")])
    assert plan.cluster == "web"
    here = ip_address("10.0.0.1")
    assert plan.virtual_addresses == (
        LoopbackAddress(VIP, Forwarding.DR, here),
        LoopbackAddress(ip_address("192.168.1.101"), Forwarding.TUN, here),
    )


def test_with_nat_a_real_server_carries_nothing() -> None:
    file = cluster(service(servers="[{address: 10.0.0.1, forwarding: nat}]"))
    assert resolve_real_server(file, ip_address("10.0.0.1"), []).virtual_addresses == ()


def test_backups_are_real_servers_but_for_those_on_the_director_itself() -> None:
    file = cluster(service("backups: [[10.0.0.5], [127.0.0.1]]", servers="[10.0.0.1]"))
    own = [ip_address("127.0.0.1"), ip_address("10.0.0.5")]
    plan = resolve_real_server(file, None, own)
    assert plan.virtual_addresses == (LoopbackAddress(VIP, Forwarding.DR, ip_address("10.0.0.5")),)


def test_a_marked_service_is_served_at_the_routers_addresses_of_its_family() -> None:
    file = cluster("""\
        virtual_routers:
          - {name: a, virtual_router_id: 51, addresses: [192.168.1.100, 192.168.1.101]}
          - {name: b, virtual_router_id: 51, addresses: ["fe80::100", "2001:db8::100"]}
        virtual_services:
          - {name: m, fwmark: 7, family: ipv4, forwarding: dr, real_servers: [10.0.0.1]}
          - {name: n, fwmark: 7, family: ipv6, forwarding: dr, real_servers: ["2001:db8::21"]}
        """)
    four = resolve_real_server(file, ip_address("10.0.0.1"), [])
    six = resolve_real_server(file, ip_address("2001:db8::21"), [])
    assert [str(each.address) for each in four.virtual_addresses] == [
        "192.168.1.100",
        "192.168.1.101",
    ]
    assert [str(each.address) for each in six.virtual_addresses] == ["2001:db8::100"]


def test_an_address_no_service_lists_is_said() -> None:
    with pytest.raises(UsageError) as caught:
        resolve_real_server(cluster(service()), ip_address("10.0.0.9"), [])
    assert str(caught.value) == "web.yaml: 10.0.0.9 is not a real server of any service"


def test_a_machine_no_service_lists_is_said() -> None:
    with pytest.raises(UsageError) as caught:
        resolve_real_server(cluster(service()), None, [ip_address("10.0.0.9")])
    assert str(caught.value) == (
        "web.yaml: no address of this machine is a real server of any service"
    )


BOTH = """\
    virtual_services:
      - {name: a, address: 192.168.1.100, port: 80, forwarding: dr, real_servers: [10.0.0.1]}
      - {name: b, address: "2001:db8::9", port: 80, forwarding: tun, real_servers: ["2001:db8::1"]}
    """


def test_a_machine_listed_in_both_families_serves_both() -> None:
    four, six = ip_address("10.0.0.1"), ip_address("2001:db8::1")
    assert resolve_real_server(cluster(BOTH), None, [six, four]).virtual_addresses == (
        LoopbackAddress(VIP, Forwarding.DR, four),
        LoopbackAddress(ip_address("2001:db8::9"), Forwarding.TUN, six),
    )


def test_a_machine_listed_in_both_families_serves_the_one_it_is_told() -> None:
    six = ip_address("2001:db8::1")
    assert [
        each.server for each in resolve_real_server(cluster(BOTH), six, []).virtual_addresses
    ] == [six]


def test_a_cluster_without_anything_to_do_is_valid() -> None:
    assert resolve(cluster("", HEAD), "lb1").vrrp.routers == ()


def test_a_node_hears_the_owner_of_an_address_that_it_may_have_itself():
    """On the interface of that router, and not on the owner."""
    owned = """
        virtual_routers:
          - {name: web, virtual_router_id: 51, interface: eth1.7, addresses: [192.168.1.11/24]}
    """
    found = cluster(owned)
    named = "net.ipv4.conf.eth1/7.accept_local"
    assert [named in resolve(found, node).director.sysctls for node in ("lb1", "lb2")] == [
        False,
        True,
    ]
