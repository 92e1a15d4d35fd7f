"""Several checks of a server: how lists and single checks of three levels come together."""

from __future__ import annotations

from ipaddress import ip_address

from lvsha.core.plan import Check, RealServer, Required
from lvsha.core.probes import HttpProbe, TcpProbe
from tests.config.text import cluster, service

SERVER = ip_address("192.168.1.21")


def _server(defaults: str, of_service: str, of_server: str = "", *lines: str) -> RealServer:
    server = f"{{address: {SERVER}{f', check: {of_server}' if of_server else ''}}}"
    head = f"defaults: {{check: {defaults}}}\n" if defaults else ""
    text = service(f"check: {of_service}", *lines, servers=f"[{server}]")
    return cluster(head + text).services[0].real_servers[0]


def test_every_check_of_a_list_has_its_own_pace() -> None:
    checks = _server("", "[{type: tcp, interval: 5s}, {type: http, rise: 7}]").checks
    assert checks == (
        Check(TcpProbe(), SERVER, 80, interval=5.0),
        Check(HttpProbe(), SERVER, 80, rise=7),
    )


def test_every_check_of_a_list_inherits_from_the_single_check_above() -> None:
    checks = _server("{type: http, path: /x, interval: 4s}", "[{type: tcp}, {fall: 9}]").checks
    assert checks == (
        Check(TcpProbe(), SERVER, 80, interval=4.0),
        Check(HttpProbe("/x"), SERVER, 80, interval=4.0, fall=9),
    )


def test_keys_without_a_type_refine_each_check_of_the_list_above() -> None:
    checks = _server("", "[{type: tcp, interval: 3s}, {type: http}]", "{fall: 9, port: 81}").checks
    assert checks == (
        Check(TcpProbe(), SERVER, 81, interval=3.0, fall=9),
        Check(HttpProbe(), SERVER, 81, fall=9),
    )


def test_a_check_with_a_type_takes_the_place_of_the_list_above() -> None:
    checks = _server("{interval: 4s}", "[{type: tcp, fall: 9}, {type: http}]", "{type: tcp}")
    assert checks.checks == (Check(TcpProbe(), SERVER, 80, interval=4.0),)


def test_a_list_takes_the_place_of_the_list_above() -> None:
    server = _server("", "[{type: tcp}, {type: http}]", "[{type: http, path: /y}]")
    assert server.checks == (Check(HttpProbe("/y"), SERVER, 80),)


def test_none_switches_a_list_off() -> None:
    assert _server("", "[{type: tcp}, {type: http}]", "none").checks == ()


def test_checks_that_come_to_the_same_are_one() -> None:
    server = _server("", "[{type: tcp}, {type: tcp, port: 80}]")
    assert server.checks == (Check(TcpProbe(), SERVER, 80),)


def test_all_are_required_unless_the_file_says_any() -> None:
    checks = "[{type: tcp}, {type: http}]"
    assert _server("", checks).required is Required.ALL
    assert _server("", checks, "", "checks_required: any").required is Required.ANY
