"""What a person and a scraper are shown: whole, in shape, and never a command to the terminal."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lvsha.cli import plans, show
from lvsha.core import desired
from lvsha.core.health import Health, Measured
from lvsha.core.plan import DirectorPlan, RealServer, VirtualService
from lvsha.core.types import Forwarding, Protocol, Service, ServiceKey, Timeouts
from lvsha.director import metrics, snapshot
from lvsha.errors import HostError
from lvsha.kernel.memory import MemoryIpvs
from lvsha.supervisor import preflight

ROUTER = {
    "name": "web",
    "virtual_router_id": 51,
    "interface": "eth0",
    "state": "MASTER",
    "priority": 150,
    "effective_priority": 90,
    "master": None,
    "since": "2026-11-22T10:00:00.123Z",
    "addresses": [f"192.0.2.{n}/32" for n in range(40)],
    "excluded_addresses": ["198.51.100.1/32"],
    "faults": ["eth0 is \x1b[31mdown"],
    "aside": True,
    "hook": {"told": "MASTER", "exit_code": 1, "message": "exited with 1: no \x1bsuch disk"},
    "counters": {"sent": 3, "odd_cause": 1},
}
FOUND = {
    "cluster": "web",
    "node": "lb1",
    "version": "0.1.0",
    "generation": 1,
    "ready": True,
    "pids": {"supervisor": 1, "vrrp": 2, "director": 3},
    "suspect": False,
    "virtual_routers": [ROUTER],
    "virtual_services": [],
    "settings": [{"name": "a.b", "wanted": "1", "actual": None, "error": "no \x07such setting"}],
}


def test_what_is_piped_is_not_folded_and_commands_no_terminal(capsys) -> None:
    show.status(FOUND)
    text = capsys.readouterr().out
    assert text.replace("\n", "").isprintable()
    line = next(line for line in text.splitlines() if line.startswith("web"))
    assert "150 → 90" in line
    assert line.rstrip().endswith("192.0.2.39/32 and 198.51.100.1/32")
    assert "eth0 is ?[31mdown" in text
    assert "handed over: stays behind any master" in text
    assert "hook MASTER: exited with 1: no ?such disk" in text


def test_a_router_with_nothing_to_say_is_one_line(capsys) -> None:
    plain = {"excluded_addresses": [], "faults": [], "aside": False, "hook": None}
    show.status(FOUND | {"virtual_routers": [ROUTER | plain], "settings": []})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["cluster", "ROUTER", "web"]
    told = {"told": "BACKUP", "exit_code": 0, "message": "exited with 0"}
    show.status(FOUND | {"virtual_routers": [ROUTER | plain | {"hook": told}], "settings": []})
    assert "hook" not in capsys.readouterr().out


AGES = {0: "0s", 59: "59s", 60: "1m", 3599: "59m", 3600: "1h", 86399: "23h", 86400: "1d"}


@pytest.mark.parametrize(("seconds", "text"), AGES.items())
def test_an_age_is_in_the_largest_unit_that_fits(seconds: int, text: str) -> None:
    since = datetime.now(UTC) - timedelta(seconds=seconds + 0.2)
    assert show.age(since.isoformat()) == text
    assert show.age(None) == "-"


@pytest.mark.parametrize(
    ("change", "healthy"),
    [
        ({}, True),
        ({"ready": False}, False),
        ({"virtual_routers": [ROUTER | {"state": "FAULT"}]}, False),
        ({"virtual_routers": [ROUTER | {"state": "INIT"}]}, True),
    ],
)
def test_a_fault_or_an_undecided_check_is_not_healthy(change: dict, healthy: bool) -> None:
    assert show.is_healthy(FOUND | change) is healthy


def test_the_status_in_slices_is_the_status() -> None:
    found = FOUND | {"virtual_services": [{"name": f"s{n}"} for n in range(50)]}
    assert json.loads(asyncio.run(snapshot.to_json(found))) == found
    assert json.loads(asyncio.run(snapshot.to_json(FOUND))) == FOUND


def test_metrics_survive_odd_names_and_count_every_cause() -> None:
    odd = 'a"b\\c\nd'
    text = asyncio.run(
        metrics.render(
            FOUND | {"virtual_routers": [ROUTER | {"name": odd}]}, {"x": ("gauge", "X", 0.1)}
        )
    ).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    (sample,) = families["lvsha_router_master"].samples
    assert (sample.labels, sample.value) == ({"router": odd}, 1)
    assert families["lvsha_vrrp_odd_cause"].type == "counter"
    assert families["lvsha_x"].samples[0].value == 0.1


WEB = VirtualService(
    "web",
    Service(ServiceKey(Protocol.TCP, ip_address("192.0.2.1"), 80), scheduler="rr"),
    (RealServer(ip_address("10.0.0.1"), 80, Forwarding.DR),),
)


def test_a_plan_says_timeouts_too_and_nothing_when_all_is_as_it_should_be() -> None:
    plan = DirectorPlan("c", "n", (WEB,), timeouts=Timeouts(tcp=600))
    ipvs = MemoryIpvs()
    kept = ipvs.timeouts()
    lines = list(plans.changes(plan, frozenset(), ipvs, desired.View(desired.all_up)))
    assert lines == [
        f"--set 600 {kept.tcp_fin} {kept.udp}",
        "-A -t 192.0.2.1:80 -s rr",
        "-a -t 192.0.2.1:80 -r 10.0.0.1:80 -g -w 1",
    ]
    plan = DirectorPlan("c", "n", ())
    assert list(plans.changes(plan, frozenset(), ipvs, desired.View(desired.all_up))) == []


def test_a_plan_does_not_guess_while_the_daemon_is_between_two_directors(tmp_path) -> None:
    assert plans._view(tmp_path).judgement(WEB, WEB.real_servers[0]).weight == 1
    with preflight.lock(tmp_path), pytest.raises(HostError, match="starting or restarting"):
        plans._view(tmp_path)


def test_a_server_without_a_check_is_up_since_the_start() -> None:
    from lvsha.director.board import Board

    health = Board(lambda _: Health()).health_of(WEB, WEB.real_servers[0])
    assert health.measured is Measured.UP
    assert health.since > 0
