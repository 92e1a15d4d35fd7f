"""Every mistake of a file comes at once: none hides another, and none brings forth another.

Pairs of single mistakes in one file: what is said of both is what is said of each. Only where a
rule needs the very value that is broken may it say less; never more.
"""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

import pytest

from lvsha.config.reader import parse
from lvsha.config.resolve import understand
from lvsha.errors import ConfigError

BASE: dict[str, Any] = {
    "cluster": "web",
    "nodes": {
        "lb1": {"address": "10.0.0.1", "interface": "eth0", "priority": 150},
        "lb2": {"address": "10.0.0.2", "interface": "eth0", "priority": 100},
    },
    "virtual_routers": [
        {
            "name": "web",
            "virtual_router_id": 51,
            "addresses": ["10.0.0.100", "10.0.0.101"],
            "track": [{"service": "http", "weight": -60}, {"interface": "eth1"}],
            "routes": [{"to": "10.9.0.0/16", "via": "10.0.0.254"}],
        },
        {"name": "db", "virtual_router_id": 52, "addresses": ["10.0.0.110"]},
    ],
    "sync_groups": [{"name": "both", "routers": ["web", "db"]}],
    "defaults": {"check": {"type": "tcp", "interval": "2s"}, "forwarding": "dr"},
    "timeouts": {"tcp": "900s"},
    "virtual_services": [
        {
            "name": "http",
            "address": "10.0.0.100",
            "port": 80,
            "check": {"type": "http", "path": "/"},
            "real_servers": [{"address": "10.0.0.21"}, {"address": "10.0.0.22", "weight": 2}],
            "backups": [[{"address": "10.0.0.31"}]],
        },
        {
            "name": "sql",
            "address": "10.0.0.110",
            "port": 3306,
            "scheduler": "sh",
            "real_servers": ["10.0.0.21", "10.0.0.22"],
        },
    ],
}

VALUES: dict[str, tuple[str, Any]] = {
    "cluster": ("cluster", "my web"),
    "node priority": ("nodes.lb2.priority", 300),
    "node interface": ("nodes.lb2.interface", ""),
    "router name": ("virtual_routers.1.name", "a b"),
    "router id": ("virtual_routers.1.virtual_router_id", 256),
    "router version": ("virtual_routers.0.version", 4),
    "router preempt": ("virtual_routers.1.preempt", "yes"),
    "router address": ("virtual_routers.0.addresses.1", "10.0.0.300"),
    "router unknown key": ("virtual_routers.1.prioritty", {"lb1": 3}),
    "router empty key": ("virtual_routers.1.garp", None),
    "track item": ("virtual_routers.0.track.1", {"interface": "eth1", "weight": 300}),
    "route": ("virtual_routers.0.routes.0.to", "10.9.0.1/16"),
    "group name": ("sync_groups.0.name", "x y"),
    "defaults failure": ("defaults.on_failure", "stop"),
    "defaults check": ("defaults.check.rise", 0),
    "timeouts": ("timeouts.tcp", "0s"),
    "service name": ("virtual_services.1.name", True),
    "service port": ("virtual_services.0.port", 70000),
    "service scheduler": ("virtual_services.1.scheduler", "hash"),
    "service persistence": ("virtual_services.1.persistence", {"timeout": "0.5s"}),
    "service quorum": ("virtual_services.0.quorum", 0),
    "service unknown key": ("virtual_services.0.quorrum", 2),
    "service check": ("virtual_services.0.check.status", [99]),
    "service check unknown key": ("virtual_services.0.check.paht", "/x"),
    "service check empty key": ("virtual_services.0.check.host", None),
    "server weight": ("virtual_services.0.real_servers.1.weight", 65536),
    "server address": ("virtual_services.0.real_servers.0.address", "web1"),
    "server itself": ("virtual_services.1.real_servers.1", 5),
    "server check": ("virtual_services.0.real_servers.0.check", {"fall": "3"}),
    "backup weight": ("virtual_services.0.backups.0.0.weight", -1),
}
"""One value wrong by itself."""

RULES: dict[str, dict[str, Any]] = {
    "same node address": {"nodes.lb2.address": "10.0.0.1"},
    "same priority": {"virtual_routers.1.priority": {"lb1": 100, "lb2": 100}},
    "strange node": {"virtual_routers.1.interface": {"lb1": "a", "lb2": "b", "lb3": "c"}},
    "same router id": {"virtual_routers.1.virtual_router_id": 51},
    "same router name": {"virtual_routers.1.name": "web", "sync_groups": []},
    "same virtual address": {"virtual_routers.1.excluded_addresses": ["10.0.0.100"]},
    "long interval": {"virtual_routers.0.advertisement_interval": "41s"},
    "delay of nothing": {
        "virtual_routers.0.preempt": False,
        "virtual_routers.0.preempt_delay": "5s",
    },
    "tracked twice": {"virtual_routers.1.track": [{"file": "/x"}, {"file": "/x"}]},
    "no such service": {"virtual_routers.1.track": [{"service": "htpp"}]},
    "no such router": {"sync_groups.0.routers": ["web", "db", "dns"]},
    "same service": {
        "virtual_services.1.address": "10.0.0.100",
        "virtual_services.1.port": 80,
    },
    "same service name": {"virtual_services.1.name": "http"},
    "not carried": {"virtual_services.1.address": "10.0.0.120"},
    "strange flag": {"virtual_services.1.scheduler_flags": ["mh-port"]},
    "no quorum": {"virtual_services.0.hysteresis": 1},
    "empty tier": {"virtual_services.0.backups": [[]]},
    "one packet": {"virtual_services.0.one_packet": True},
    "same server": {"virtual_services.0.real_servers.1.address": "10.0.0.21"},
    "other port": {"virtual_services.0.real_servers.1.port": 8080},
    "director": {"virtual_services.1.real_servers.0": "10.0.0.1"},
    "thresholds": {
        "virtual_services.0.real_servers.1.upper_threshold": 1,
        "virtual_services.0.real_servers.1.lower_threshold": 2,
    },
    "timeout": {"virtual_services.0.check.timeout": "3s"},
    "user alone": {"virtual_services.0.check.user": "joe"},
    "timeout of a server": {
        "virtual_services.0.real_servers.0.check": {"timeout": "1s", "interval": "500ms"}
    },
}
"""Values that are right by themselves and wrong together."""

NEEDS: dict[str, set[str]] = {
    "node priority": {"same priority"},
    "router id": {"same router id"},
    "router name": {"no such router"},
    "router version": {"long interval"},
    "router address": {"not carried"},
    "service name": {"no such service"},
    "service port": {"same service", "other port", "same server"},
    "service scheduler": {"strange flag"},
    "service quorum": {"no quorum"},
    "server address": {"same server"},
}
"""Rules that need the value which is broken here."""


EDITS = {**{name: dict([value]) for name, value in VALUES.items()}, **RULES}


def changed(*edits: dict[str, Any]) -> dict[str, Any]:
    data = copy.deepcopy(BASE)
    for edit in edits:
        for path, value in edit.items():
            *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
            holder: Any = data
            for part in parents:
                holder = holder[part]
            holder[last] = value
    return data


@cache
def mistakes(*names: str) -> frozenset[tuple[str, str]]:
    """What is said of a file that is broken in these ways: place and message."""
    try:
        understand(parse(json.dumps(changed(*map(EDITS.__getitem__, names))), "x.yaml"))
    except ConfigError as error:
        return frozenset((mistake.path, mistake.message) for mistake in error.mistakes)
    return frozenset()


def fit(one: str, other: str) -> bool:
    """Whether both can be in a file: neither is about what is inside the other."""
    return not any(
        f"{mine}.".startswith(f"{theirs}.") or f"{theirs}.".startswith(f"{mine}.")
        for mine in EDITS[one]
        for theirs in EDITS[other]
    )


def test_the_file_that_is_broken_here_is_right_before() -> None:
    assert mistakes() == set()


@pytest.mark.parametrize("way", EDITS)
def test_each_way_of_breaking_it_is_one_mistake_by_itself(way: str) -> None:
    assert len({message for _, message in mistakes(way)}) == 1


@pytest.mark.parametrize("value", VALUES)
def test_a_wrong_value_hides_no_broken_rule_and_breaks_none(value: str) -> None:
    for broken in (each for each in RULES if fit(value, each)):
        both, apart = mistakes(value, broken), mistakes(value) | mistakes(broken)
        assert mistakes(value) <= both <= apart, broken
        assert both == apart or broken in NEEDS.get(value, ()), broken


@pytest.mark.parametrize("value", VALUES)
def test_two_wrong_values_are_two_mistakes(value: str) -> None:
    for other in (each for each in VALUES if each > value and fit(value, each)):
        assert mistakes(value, other) == mistakes(value) | mistakes(other), other
