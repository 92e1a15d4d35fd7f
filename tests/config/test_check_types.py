"""What the file says of UDP, ICMP, DNS, mail, databases, programs and agents reaches the probe."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from lvsha.config.checks import CHECKS
from lvsha.core.detour import Origin
from lvsha.core.plan import Check
from lvsha.core.probes import (
    AgentProbe,
    DnsProbe,
    FileProbe,
    MysqlProbe,
    PingProbe,
    PostgresProbe,
    Probe,
    RedisProbe,
    ScriptProbe,
    SmtpProbe,
    TlsOptions,
    UdpProbe,
)
from tests.config.text import cluster, service


def check_of(text: str) -> Check:
    """The check of one server whose service says this of it."""
    (check,) = cluster(service(f"check: {{{text}}}")).services[0].real_servers[0].checks
    assert check is not None
    return check


@pytest.mark.parametrize(
    ("text", "probe"),
    [
        ("type: udp", UdpProbe()),
        (r'type: udp, send: "ping\n", expect: {hex: "00 ff"}', UdpProbe(b"ping\n", b"\0\xff")),
        ("type: dns", DnsProbe(".", "SOA", (), "udp")),
        (
            "type: dns, name: www.example, record: aaaa, answer: '::1', transport: tcp",
            DnsProbe("www.example", "AAAA", ("::1",), "tcp"),
        ),
        (
            "type: dns, name: a.example, record: A, answer: [192.0.2.1, 192.0.2.2]",
            DnsProbe("a.example", "A", ("192.0.2.1", "192.0.2.2")),
        ),
        ("type: smtp", SmtpProbe()),
        ("type: smtp, helo: lb1.example", SmtpProbe("lb1.example")),
        ("type: smtp, starttls: true", SmtpProbe(None, TlsOptions())),
        (
            "type: smtp, starttls: true, verify: false, sni: mail.example",
            SmtpProbe(None, TlsOptions(verify=False, sni="mail.example")),
        ),
        ("type: script, exec: [/bin/ok]", ScriptProbe(("/bin/ok",), "nobody", False)),
        (
            "type: script, exec: [/bin/ok, -v, '7'], user: web, dynamic_weight: true",
            ScriptProbe(("/bin/ok", "-v", "7"), "web", True),
        ),
        ("type: redis", RedisProbe()),
        ("type: redis, password_file: /etc/lvsha/redis", RedisProbe("/etc/lvsha/redis")),
        ("type: mysql", MysqlProbe()),
        ("type: postgres", PostgresProbe()),
        ("type: agent", AgentProbe()),
        (r'type: agent, send: "web\n"', AgentProbe(b"web\n")),
    ],
)
def test_every_option_reaches_the_probe(text: str, probe: Probe) -> None:
    """With its default where the file says nothing; the target is the server's own port."""
    assert check_of(text) == Check(probe, ip_address("192.168.1.21"), 80)


@pytest.mark.parametrize(
    ("text", "probe"), [("type: ping", PingProbe()), ("type: file, path: /x", FileProbe("/x"))]
)
def test_a_check_that_has_no_port_is_shared_by_all_ports(text: str, probe: Probe) -> None:
    """Services on ports 80 and 443 of one machine ping it once; port 0 needs no other."""
    assert check_of(text) == Check(probe, ip_address("192.168.1.21"), 0)
    plan = cluster(f"""\
        defaults: {{forwarding: dr, check: {{{text}}}}}
        virtual_services:
          - {{name: mark, fwmark: 7, family: ipv4, real_servers: [10.0.0.1]}}
        """)
    assert plan.services[0].real_servers[0].checks == (Check(probe, ip_address("10.0.0.1"), 0),)


def test_inheritance_works_for_options_that_a_type_needs() -> None:
    """`exec` may come from above."""
    plan = cluster(
        "defaults: {check: {type: script, exec: [/bin/ok]}}\n"
        + service("check: {user: web}", servers="[192.168.1.21]")
    )
    (check,) = plan.services[0].real_servers[0].checks
    assert check is not None
    assert check.probe == ScriptProbe(("/bin/ok",), "web")


NEEDED = {"script": ", exec: [/bin/ok]", "file": ", path: /x"}
PACE = "interval: 5s, timeout: 3s, rise: 4, fall: 6, interval_down: 7s, jitter: 8"


@pytest.mark.parametrize("kind", CHECKS)
@pytest.mark.parametrize("level", ["defaults", "service"])
def test_every_type_takes_the_common_keys_at_every_level(kind: str, level: str) -> None:
    text = f"type: {kind}{NEEDED.get(kind, '')}"
    if level == "service":
        check = check_of(f"{text}, {PACE}, address: 10.0.0.9, port: 99")
        assert check.address == ip_address("10.0.0.9")
        assert check.port in (99, 0)
    else:
        head = f"defaults: {{check: {{type: tcp, {PACE}}}}}\n"
        plan = cluster(head + service(f"check: {{{text}}}"))
        (check,) = plan.services[0].real_servers[0].checks
    assert (check.interval, check.timeout, check.rise, check.fall) == (5.0, 3.0, 4, 6)
    assert (check.interval_down, check.jitter) == (7.0, 8)


@pytest.mark.parametrize("kind", [each for each in CHECKS if each not in ("script", "file")])
def test_every_type_that_sends_packets_may_say_how_they_leave(kind: str) -> None:
    check = check_of(f"type: {kind}, source: 192.168.1.11, device: eth0, mark: 7")
    assert check.origin == Origin(ip_address("192.168.1.11"), "eth0", 7)


def test_a_program_needs_no_port() -> None:
    """It may find its own; in LVSHA_PORT it has the real server's, which is 0 here."""
    plan = cluster("""\
        virtual_services:
          - name: mark
            fwmark: 7
            family: ipv4
            forwarding: dr
            check: {type: script, exec: [/bin/ok]}
            real_servers: [10.0.0.1]
        """)
    (check,) = plan.services[0].real_servers[0].checks
    assert check.port == 0
