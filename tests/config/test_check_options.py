"""What a check of each connection-oriented type says reaches its specification."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from lvsha.core.detour import Origin
from lvsha.core.probes import (
    GrpcProbe,
    HttpProbe,
    JsonWanted,
    Probe,
    TcpProbe,
    TlsOptions,
    TlsProbe,
)
from lvsha.errors import ConfigError
from lvsha.probes import attempt
from tests.config.text import cluster, service

MD5 = "6F5902AC237024BDD0C176CB93063DC4"
EVERY_TLS = (
    "ca: /c/ca, sni: a.example, cert: /c/own, key: /c/key, min_days: 14"  # verify is the default
)
OPTIONS = TlsOptions("/c/ca", True, "a.example", "/c/own", "/c/key", 14)


@pytest.mark.parametrize(
    ("text", "specification"),
    [
        ("type: tcp", TcpProbe()),
        (r'type: tcp, send: "PING\r\n", expect: PONG', TcpProbe(b"PING\r\n", b"PONG")),
        (
            'type: tcp, send: {hex: "00 ff0a"}, expect_regex: "^a+$"',
            TcpProbe(b"\0\xff\n", None, "^a+$"),
        ),
        ("type: tcp, expect: é", TcpProbe(expect="é".encode())),
        (
            f"type: http, method: PUT, body: x, user: u, password_file: /c/p, regex: y, "
            f"digest: {MD5}, redirects: 2, http2: true, "
            'json: {path: "$.a[0]", equals: true}',
            HttpProbe(
                method="PUT",
                body="x",
                user="u",
                password_file="/c/p",
                regex="y",
                digest=MD5.lower(),
                redirects=2,
                http2=True,
                json=JsonWanted("$.a[0]", "true"),
            ),
        ),
        ("type: http, redirects: true", HttpProbe(redirects=5)),
        ("type: http, redirects: false", HttpProbe()),
        (
            "type: http, json: {path: $, equals: 1.5}",
            HttpProbe(json=JsonWanted("$", "1.5")),
        ),
        ("type: https", HttpProbe(tls=TlsOptions())),
        (
            f"type: https, path: /x, host: b.example, {EVERY_TLS}",
            HttpProbe(path="/x", host="b.example", tls=OPTIONS),
        ),
        ("type: https, verify: false", HttpProbe(tls=TlsOptions(verify=False))),
        ("type: tls", TlsProbe(TlsOptions())),
        (f"type: tls, {EVERY_TLS}", TlsProbe(OPTIONS)),
        ("type: grpc", GrpcProbe()),
        ("type: grpc, service: shop.Cart", GrpcProbe("shop.Cart")),
        (f"type: grpc, tls: true, {EVERY_TLS}", GrpcProbe("", OPTIONS)),
    ],
)
def test_every_option_reaches_the_specification(text: str, specification: Probe) -> None:
    plan = cluster(service(f"check: {{{text}}}"))
    (check,) = plan.services[0].real_servers[0].checks
    assert check is not None
    assert check.probe == specification


@pytest.mark.parametrize("kind", ["tls", "https", "grpc"])
def test_certificates_are_verified_unless_that_is_turned_off_by_name(kind: str) -> None:
    tls = ", tls: true" if kind == "grpc" else ""
    plan = cluster(service(f"check: {{type: {kind}{tls}}}"))
    (check,) = plan.services[0].real_servers[0].checks
    assert check is not None
    assert check.probe.tls == TlsOptions(verify=True)  # type: ignore[union-attr]


def test_the_keys_of_a_check_are_judged_after_merging() -> None:
    """A user of the service and a password file of the server belong together."""
    plan = cluster("""\
        virtual_services:
          - name: a
            address: 192.168.1.100
            port: 80
            forwarding: nat
            check: {type: http, user: probe}
            real_servers:
              - {address: 10.0.0.1, check: {password_file: /c/one}}
              - {address: 10.0.0.2, check: {password_file: /c/two}}
        """)
    checks = [server.checks[0] for server in plan.services[0].real_servers]
    files = [check.probe.password_file for check in checks if check]  # type: ignore[union-attr]
    assert files == ["/c/one", "/c/two"]


@pytest.mark.parametrize("host", ["a.example", "a.example:8443", "10.0.0.1", "[2001:db8::1]:8443"])
def test_a_host_that_names_a_server_needs_no_sni(host: str) -> None:
    plan = cluster(service(f"check: {{type: https, host: '{host}'}}"))
    assert plan.services[0].real_servers[0].checks


@pytest.mark.parametrize("host", ["a/b", "a.example.", "a:99999", "[12345]", "[::1", "a@b"])
def test_a_host_that_names_none_needs_one(host: str) -> None:
    """Whatever it is, it may be sent; but TLS wants a name."""
    with pytest.raises(ConfigError, match=r"is not a server name"):
        cluster(service(f"check: {{type: https, host: '{host}'}}"))
    plan = cluster(service(f"check: {{type: https, host: '{host}', sni: b.example}}"))
    (check,) = plan.services[0].real_servers[0].checks
    assert check is not None
    assert attempt(check)


def test_every_type_has_paces_for_states_and_ways_to_leave() -> None:
    keys = "interval_down: 5s, interval_transition: 500ms, jitter: 10"
    ways = "source: 192.168.1.11, device: eth0, mark: 7"
    plan = cluster(service(f"check: {{type: tcp, {keys}, {ways}}}"))
    (check,) = plan.services[0].real_servers[0].checks
    assert (check.interval_down, check.interval_transition, check.jitter) == (5.0, 0.5, 10)
    assert check.origin == Origin(ip_address("192.168.1.11"), "eth0", 7)


def test_paces_for_states_cross_to_another_type_and_ways_to_leave_do_not() -> None:
    head = "defaults: {check: {type: tcp, interval_down: 5s, jitter: 10, mark: 7}}\n"
    (check,) = cluster(head + service("check: {type: http}")).services[0].real_servers[0].checks
    assert (check.interval_down, check.jitter, check.origin) == (5.0, 10, None)
