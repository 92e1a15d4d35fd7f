"""docs/operations.md: every log event and metric of the code has its row there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lvsha.director import metrics

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "operations.md").read_text()
EVENTS = TEXT.split("## Log events")[1].split("## Metrics")[0]
METRICS = TEXT.split("## Metrics")[1]
PACKAGES = ("director", "supervisor", "vrrp", "realserver", "runtime")
CALL = re.compile(r"[\w)]\(\s*(?:[\w.]+,\s*|\"[\w ]+\",\s*)?\"([a-z]+\.[a-z_]+)\"")
"""A call that says something of the form of an event."""

NO_EVENTS = re.compile(r"\.(json|sock|new|tmp)$")


def events() -> set[str]:
    files = [file for package in PACKAGES for file in (ROOT / "lvsha" / package).rglob("*.py")]
    found = {event for file in files for event in CALL.findall(file.read_text())}
    return {event for event in found if not NO_EVENTS.search(event)}


def figures() -> set[str]:
    text = (ROOT / "lvsha" / "director" / "figures.py").read_text()
    own = set(re.findall(r'"([a-z_0-9]+)"(?:: \(|\] = )', text))
    return (
        own
        | set(metrics.ROUTER_FIGURES)
        | set(metrics.SERVICE_FIGURES)
        | set(metrics.SERVER_FIGURES)
    )


def test_the_search_finds_what_the_contract_names() -> None:
    contract = {
        *("daemon.started", "daemon.stopped", "config.reloaded", "config.rejected", "vrrp.state"),
        *("vrrp.conflict", "health.changed", "service.state", "ipvs.applied", "ipvs.drift"),
        *("kernel.error", "child.died", "realserver.applied", "realserver.drift", "api.failed"),
        *("log.dropped", "process.failed"),
    }
    assert contract <= events()
    assert {"loop_lag_seconds", "drifts_total", "service_up", "server_up"} <= figures()


@pytest.mark.parametrize("event", sorted(events()))
def test_an_event_has_its_row(event: str) -> None:
    assert f"| `{event}` |" in EVENTS


@pytest.mark.parametrize("name", sorted(figures()))
def test_a_metric_has_its_row(name: str) -> None:
    assert f"`{name}`" in METRICS
