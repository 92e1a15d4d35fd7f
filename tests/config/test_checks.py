"""Health checks: what a real server's check is, put together from three levels."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from lvsha.core.plan import Check
from lvsha.core.probes import HttpProbe, TcpProbe
from tests.config.text import cluster, service

SERVER = ip_address("192.168.1.21")


def _check(defaults: str = "", of_service: str = "", of_server: str = "") -> Check | None:
    """The check of one server, where these levels say something."""
    lines = [f"check: {of_service}"] if of_service else []
    server = f"{{address: {SERVER}{f', check: {of_server}' if of_server else ''}}}"
    head = f"defaults: {{check: {defaults}}}\n" if defaults else ""
    plan = cluster(head + service(*lines, servers=f"[{server}]"))
    checks = plan.services[0].real_servers[0].checks
    assert len(checks) <= 1
    return checks[0] if checks else None


def test_without_a_check_a_server_is_always_up() -> None:
    assert _check() is None


def test_a_type_alone_has_the_documented_pace() -> None:
    assert _check(of_service="{type: tcp}") == Check(TcpProbe(), SERVER, 80, 2.0, 1.0, 2, 3)


@pytest.mark.parametrize("level", ["defaults", "of_service", "of_server"])
def test_keys_without_a_type_make_a_tcp_check(level: str) -> None:
    assert _check(**{level: "{interval: 5s}"}) == Check(TcpProbe(), SERVER, 80, 5.0, 1.0, 2, 3)


def test_keys_of_tcp_need_no_type() -> None:
    check = _check(of_service="{send: PING}")
    assert check is not None
    assert check.probe == TcpProbe(send=b"PING")


def test_a_service_inherits_the_check_of_defaults() -> None:
    check = _check(defaults="{type: tcp, interval: 4s, timeout: 3s, rise: 4, fall: 5}")
    assert check == Check(TcpProbe(), SERVER, 80, 4.0, 3.0, 4, 5)


def test_pace_merges_key_by_key_over_three_levels() -> None:
    check = _check("{type: tcp, interval: 8s, rise: 7}", "{interval: 6s, fall: 9}", "{timeout: 5s}")
    assert check == Check(TcpProbe(), SERVER, 80, 6.0, 5.0, 7, 9)


def test_only_the_pace_crosses_to_another_type() -> None:
    check = _check("{type: http, path: /x, port: 81, interval: 6s}", "{type: tcp}")
    assert check == Check(TcpProbe(), SERVER, 80, 6.0, 1.0, 2, 3)


def test_options_return_not_when_the_type_returns() -> None:
    check = _check("{type: http, path: /x}", "{type: tcp}", "{type: http}")
    assert check is not None
    assert check.probe == HttpProbe(path="/")


def test_without_a_type_of_its_own_a_level_inherits_type_and_options() -> None:
    check = _check("{type: http, path: /x, host: a.example}", "{interval: 3s}", "{path: /y}")
    assert check is not None
    assert check.probe == HttpProbe(path="/y", host="a.example")
    assert check.interval == 3.0


def test_the_same_type_again_inherits_its_options() -> None:
    check = _check("{type: http, path: /x}", "{type: http, method: HEAD}")
    assert check is not None
    assert check.probe == HttpProbe(path="/x", method="HEAD")


def test_none_switches_an_inherited_check_off() -> None:
    assert _check("{type: tcp}", "none") is None
    assert _check("{type: tcp}", of_server="none") is None


def test_a_check_below_none_starts_anew() -> None:
    check = _check("{type: tcp, interval: 9s}", "none", "{type: tcp}")
    assert check == Check(TcpProbe(), SERVER, 80)


def test_pace_alone_in_defaults_serves_every_type() -> None:
    check = _check("{interval: 9s}", "{type: http}")
    assert check == Check(HttpProbe(), SERVER, 80, interval=9.0)


def test_every_option_of_http_reaches_the_probe() -> None:
    check = _check(
        of_service="{type: http, path: '/a?b=c', host: a.example, method: POST, contains: ok, "
        "headers: {X-A: b, Accept: '*/*'}, status: [200-204, 301]}"
    )
    assert check is not None
    assert check.probe == HttpProbe(
        path="/a?b=c",
        host="a.example",
        method="POST",
        headers=(("X-A", "b"), ("Accept", "*/*")),
        status=((200, 204), (301, 301)),
        contains="ok",
    )


def test_a_single_status_needs_no_list() -> None:
    check = _check(of_service="{type: http, status: 204}")
    assert check is not None
    assert check.probe == HttpProbe(status=((204, 204),))


def test_a_check_may_aim_elsewhere() -> None:
    check = _check(of_service="{type: tcp, address: 10.0.0.9, port: 9000}")
    assert check == Check(TcpProbe(), ip_address("10.0.0.9"), 9000)


def test_ranges_are_judged_after_merging() -> None:
    """An interval below the default's timeout is no mistake where a level above mends it."""
    check = _check("{type: tcp, interval: 1s, timeout: 3s}", "{interval: 5s}")
    assert check == Check(TcpProbe(), SERVER, 80, 5.0, 3.0)


def test_a_timeout_nobody_gave_keeps_within_the_interval() -> None:
    check = _check(of_service="{type: tcp, interval: 200ms}")
    assert check == Check(TcpProbe(), SERVER, 80, interval=0.2, timeout=0.2)


def test_services_that_check_alike_have_equal_checks() -> None:
    plan = cluster("""\
        defaults: {forwarding: nat, check: {type: http, path: /x}}
        virtual_services:
          - {name: a, address: 192.168.1.100, port: 80, real_servers: [10.0.0.1]}
          - {name: b, address: 192.168.1.101, port: 80, real_servers: [10.0.0.1]}
        """)
    first, second = (each.real_servers[0].checks[0] for each in plan.services)
    assert first == second
    assert len({first, second}) == 1
