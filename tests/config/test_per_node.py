"""Where probes leave from may differ between the nodes, whose file is the same."""

from __future__ import annotations

from ipaddress import ip_address

from lvsha.config.resolve import resolve
from lvsha.core.detour import Origin
from tests.config.text import cluster, service


def origins(*lines: str) -> list[Origin | None]:
    """Of the check of a service with these lines, as lb1 and lb2 run it."""
    found = cluster(service(*lines))
    plans = [resolve(found, name).director for name in ("lb1", "lb2")]
    return [plan.services[0].real_servers[0].checks[0].origin for plan in plans]


def test_each_node_probes_from_its_own_address_and_interface() -> None:
    check = "check: {type: tcp, source: {lb1: 10.0.0.1, lb2: 10.0.0.2}, device: {lb1: a, lb2: b}}"
    assert origins(check) == [
        Origin(ip_address("10.0.0.1"), "a"),
        Origin(ip_address("10.0.0.2"), "b"),
    ]


def test_a_node_that_is_not_named_probes_as_usual() -> None:
    assert origins("check: {type: tcp, source: {lb1: 10.0.0.1}}") == [
        Origin(ip_address("10.0.0.1")),
        None,
    ]


def test_one_value_is_for_all_nodes_and_a_mapping_beside_it_for_each() -> None:
    assert origins("check: {type: tcp, source: 10.0.0.9, device: {lb2: b}}") == [
        Origin(ip_address("10.0.0.9")),
        Origin(ip_address("10.0.0.9"), "b"),
    ]


def test_a_list_of_checks_and_its_refinement_keep_their_nodes_apart() -> None:
    text = service(
        "check: [{type: tcp, source: {lb1: 10.0.0.1}}, {type: ping, device: {lb2: b}}]",
        servers="[{address: 10.1.0.1, check: {mark: 7}}]",
    )
    plans = [resolve(cluster(text), name).director for name in ("lb1", "lb2")]
    assert [
        [check.origin for check in plan.services[0].real_servers[0].checks] for plan in plans
    ] == [
        [Origin(ip_address("10.0.0.1"), mark=7), Origin(mark=7)],
        [Origin(mark=7), Origin(None, "b", 7)],
    ]


def test_nodes_that_do_not_differ_share_one_plan_of_services() -> None:
    found = cluster(service("check: {type: tcp, source: 10.0.0.9}"))
    assert found.services_of["lb1"] is found.services_of["lb2"]
