"""cli.describe: what `lvsha check` says of who serves, and what it warns of."""

from __future__ import annotations

import pytest

from lvsha.cli.describe import describe
from lvsha.config.resolve import resolve
from tests.config.text import cluster, router, service


def lines(*keys: str, servers: str = "[192.168.1.21, 192.168.1.22]") -> list[str]:
    text = service(*keys, servers=servers) + router()
    return describe(resolve(cluster(text), "lb1")).splitlines()


def test_what_differs_from_the_defaults_stands_in_the_services_line():
    said = lines(
        "quorum: 2",
        "hysteresis: 1",
        "panic_threshold: 50",
        "slow_start: 30s",
        "active_when: master",
        servers="[{address: 192.168.1.21, weight: 100}]",
    )
    (line,) = (line for line in said if line.startswith("  service"))
    assert line.endswith(
        "quorum 2 ± 1, panic above 50 %, slow start 30 s, only on the master of web"
    )
    assert not any("note" in line for line in said)


def test_backups_are_listed_behind_the_real_servers_tier_by_tier():
    said = lines("backups: [[192.168.1.31], [{address: 127.0.0.1, check: none}]]")
    assert [line.strip().split(",")[0] for line in said[-6:-2]] == [
        "backups 1:",
        "server 192.168.1.31:80 dr",
        "backups 2:",
        "server 127.0.0.1:80 local",
    ]


@pytest.mark.parametrize(
    ("keys", "note"),
    [
        (["scheduler: mh"], "without the flag mh-fallback"),
        (["quorum: 3"], "quorum 3 is more than all weights together: 2 is enough"),
        (["slow_start: 30s"], "weight 1 can't rise"),
    ],
)
def test_what_may_surprise_is_noted(keys, note):
    (said,) = (line.strip() for line in lines(*keys) if "note" in line)
    assert said.startswith(f"note: {note}")


def test_mh_with_fallback_needs_no_note():
    said = lines("scheduler: mh", "scheduler_flags: [mh-fallback, mh-port]")
    assert not any("note" in line for line in said)
    assert any("on failure quiesce" in line for line in said)


def test_several_checks_stand_with_their_paces_and_ways_to_leave():
    checks = (
        "check: [{type: tcp, interval_down: 5s, interval_transition: 500ms}, "
        "{type: http, source: 192.168.1.11, device: eth0, mark: 7}]"
    )
    tcp = "check tcp every 2 s, 5 s while down, 0.5 s in transition, timeout 1 s, rise 2, fall 3"
    http = "check http GET / every 2 s, timeout 1 s, rise 2, fall 3"
    ways = "from 192.168.1.11, through eth0, mark 7"
    server = "    server 192.168.1.21:80 dr, weight 1"
    assert f"{server}, {tcp} and {http}, {ways}" in lines(checks)
    assert f"{server}, {tcp} or {http}, {ways}" in lines(checks, "checks_required: any")


def test_damping_stands_in_the_services_line():
    (line,) = (line for line in lines("damping: {}") if line.startswith("  service"))
    assert line.endswith("held down 120 s after 4 changes in 60 s")


def test_the_schedulers_options_stand_beside_it():
    said = lines("scheduler: sh", "scheduler_flags: [sh-port, sh-fallback]")
    (line,) = (line for line in said if line.startswith("  service"))
    assert " sh, sh-fallback, sh-port, " in line


def test_the_connection_timeouts_of_the_file_are_told():
    plans = resolve(cluster("timeouts: {tcp: 15m, udp: 30s}\n"), "lb1")
    assert "  timeouts tcp 900 s, udp 30 s" in describe(plans).splitlines()


def test_what_a_router_follows_and_takes_along_is_listed_below_it():
    text = router(
        "preempt: false",
        "startup_delay: 3s",
        "virtual_mac: true",
        "track: [{interface: eth1}, {service: http, weight: -60}]",
        "routes: [{to: 10.0.0.0/8, via: 192.168.1.1}]",
        "rules: [{from: 192.168.1.100/32, table: 100}]",
        "hooks: {on_change: {exec: [/bin/tell, me]}}",
    )
    said = describe(resolve(cluster(service() + text), "lb1")).splitlines()
    assert said[1].endswith("virtual MAC, does not preempt, listens first for 3 s")
    assert [line.strip() for line in said[2:7]] == [
        "track interface eth1, else a fault",
        "track service http, weight -60",
        "route 10.0.0.0/8 via 192.168.1.1",
        "rule from 192.168.1.100/32 table 100",
        "on change run /bin/tell me as nobody",
    ]


def test_routers_that_move_together_are_named():
    other = (
        "  - {name: two, virtual_router_id: 52, addresses: [192.168.1.101]}\n"
        "sync_groups: [{name: both, routers: [web, two]}]\n"
    )
    said = describe(resolve(cluster(router() + other), "lb1")).splitlines()
    assert "  sync group both: web two" in said


def test_a_service_without_servers_is_noted():
    assert "    note: no real server: nothing is served" in lines(servers="[]")
