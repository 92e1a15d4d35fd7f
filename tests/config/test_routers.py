"""Virtual routers: from the file to each node's own parameters."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface

import pytest

from lvsha.core.authentication import HmacKey, HmacKeys, Password
from lvsha.core.plan import VirtualRouter
from lvsha.core.types import Family
from lvsha.errors import ConfigError
from tests.config.text import HEAD, cluster, router


def _two(text: str) -> tuple[VirtualRouter, VirtualRouter]:
    routers = cluster(text).routers
    return routers["lb1"][0], routers["lb2"][0]


def test_the_shortest_router_has_the_documented_defaults() -> None:
    assert _two(router())[0] == VirtualRouter(
        name="web",
        virtual_router_id=51,
        interface="eth0",
        family=Family.IPV4,
        priority=150,
        addresses=(ip_interface("192.168.1.100/32"),),
        excluded_addresses=(),
        version=3,
        advertisement_interval=1.0,
        pseudo_header_checksum=True,
        preempt=True,
        source=None,
        neighbours=(ip_address("192.168.1.12"),),
    )


def test_interface_and_priority_are_the_nodes() -> None:
    first, second = _two(router())
    assert (first.interface, first.priority) == ("eth0", 150)
    assert (second.interface, second.priority) == ("ens3", 100)


def test_one_interface_serves_every_node() -> None:
    assert [each.interface for each in _two(router("interface: eth7"))] == ["eth7", "eth7"]


def test_interfaces_per_node_fall_back_to_the_nodes() -> None:
    assert [each.interface for each in _two(router("interface: {lb2: eth9}"))] == ["eth0", "eth9"]


def test_priorities_per_node_spread_addresses_over_both() -> None:
    assert [each.priority for each in _two(router("priority: {lb1: 50}"))] == [50, 100]


def test_255_is_a_priority() -> None:
    assert _two(router("priority: {lb1: 255}"))[0].priority == 255


def test_an_ipv6_router_starts_with_its_link_local_address() -> None:
    found = _two(router(addresses="['fe80::100/64', '2001:db8::100']"))[0]
    assert found.family is Family.IPV6
    assert found.addresses == (ip_interface("fe80::100/64"), ip_interface("2001:db8::100/128"))


def test_excluded_addresses_may_be_of_the_other_family() -> None:
    found = _two(router("excluded_addresses: ['2001:db8::100/64']"))[0]
    assert found.excluded_addresses == (ip_interface("2001:db8::100/64"),)


@pytest.mark.parametrize(
    ("version", "interval", "seconds"),
    [
        (3, "10ms", 0.01),
        (3, "0.57", 0.57),
        (3, "1.29s", 1.29),
        (3, "40.95s", 40.95),
        (2, "1s", 1.0),
        (2, "255", 255.0),
    ],
)
def test_intervals_the_wire_can_say_are_taken(version: int, interval: str, seconds: float) -> None:
    text = router(f"version: {version}", f"advertisement_interval: {interval}")
    assert _two(text)[0].advertisement_interval == seconds


@pytest.mark.parametrize(
    ("version", "interval"),
    [(3, "0"), (3, "5ms"), (3, "1.005s"), (3, "40.96s"), (2, "100ms"), (2, "256"), (2, "0")],
)
def test_intervals_the_wire_can_not_say_are_refused(version: int, interval: str) -> None:
    text = router(f"version: {version}", f"advertisement_interval: {interval}")
    with pytest.raises(ConfigError, match="is not possible in version"):
        cluster(text)


def test_every_hundredth_of_a_second_is_a_version_3_interval() -> None:
    for hundredths in range(1, 4096, 7):
        text = router(f"advertisement_interval: {hundredths * 10}ms")
        assert _two(text)[0].advertisement_interval == hundredths / 100


def test_the_checksum_without_pseudo_header_is_chosen_by_word() -> None:
    assert _two(router("checksum: without"))[0].pseudo_header_checksum is False


def test_preempt_can_be_off() -> None:
    assert _two(router("preempt: false"))[0].preempt is False


def test_one_id_serves_both_families_and_other_interfaces() -> None:
    found = cluster("""\
        virtual_routers:
          - {name: a, virtual_router_id: 51, addresses: [192.168.1.100]}
          - {name: b, virtual_router_id: 51, addresses: ["fe80::100"]}
          - {name: c, virtual_router_id: 51, addresses: [192.168.2.100], interface: eth1}
        """)
    assert [each.name for each in found.routers["lb1"]] == ["a", "b", "c"]


def test_a_link_local_address_may_serve_several_links() -> None:
    found = cluster("""\
        virtual_routers:
          - {name: a, virtual_router_id: 1, addresses: ["fe80::1"]}
          - {name: b, virtual_router_id: 1, addresses: ["fe80::1"], interface: eth1}
        """)
    assert len(found.routers["lb1"]) == 2


def test_a_single_node_needs_no_priority() -> None:
    head = "cluster: web\nnodes:\n  lb1: {address: 192.168.1.11, interface: eth0}\n"
    assert cluster(router(), head).routers["lb1"][0].priority == 100


def test_a_password_is_version_2s() -> None:
    text = router("version: 2", "authentication: {type: pass, password: secret12}")
    assert _two(text)[0].authentication == Password("secret12")


def test_keys_are_named_by_number_and_not_read_with_the_file() -> None:
    keys = "{1: {file: /etc/lvsha/a}, 200: {file: /etc/lvsha/b}}"
    first, second = _two(router(f"authentication: {{type: hmac, keys: {keys}, active: 200}}"))
    assert first.authentication == second.authentication
    assert first.authentication == HmacKeys(
        (HmacKey(1, "/etc/lvsha/a"), HmacKey(200, "/etc/lvsha/b")), 200
    )


def test_unicast_is_from_the_nodes_address_to_all_the_others() -> None:
    head = HEAD + "  lb3: {address: 192.168.1.13, interface: eth0, priority: 50}\n"
    found = cluster(router("unicast: true", "accept_ttl: 253"), head).routers
    assert [found[name][0].source for name in ("lb1", "lb2", "lb3")] == [
        ip_address("192.168.1.11"),
        ip_address("192.168.1.12"),
        ip_address("192.168.1.13"),
    ]
    assert found["lb2"][0].peers == (ip_address("192.168.1.11"), ip_address("192.168.1.13"))
    assert found["lb2"][0].accept_ttl == 253


def test_multicast_has_no_peers_and_leaves_the_source_to_the_interface() -> None:
    found = _two(router("unicast: false"))[0]
    assert (found.peers, found.source, found.accept_ttl) == ((), None, 255)


def test_delays_are_durations() -> None:
    found = _two(router("preempt_delay: 5m", "startup_delay: 500ms"))[0]
    assert (found.preempt_delay, found.startup_delay) == (300.0, 0.5)


def test_255_ipv4_addresses_fit_and_90_of_ipv6() -> None:
    four = ", ".join(f"10.0.{i // 200}.{i % 200 + 1}" for i in range(255))
    assert len(_two(router(addresses=f"[{four}]"))[0].addresses) == 255
    six = ", ".join(f"'fe80::{i:x}'" for i in range(1, 91))
    assert len(_two(router(addresses=f"[{six}]"))[0].addresses) == 90
    signed = "authentication: {type: hmac, keys: {1: {file: /k}}, active: 1}"
    with pytest.raises(ConfigError, match="more than the 89"):
        cluster(router(signed, addresses=f"[{six}]"))
