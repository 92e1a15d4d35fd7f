"""Keys of the contract whose feature is not built yet are unknown, never silently accepted."""

from __future__ import annotations

import pytest

from lvsha.errors import ConfigError
from tests.config.text import cluster, router, service

ROUTER = [
    "virtual_mac: false",
    "garp: {repeat: 5}",
    "track: [{interface: eth1}]",
    "routes: [{to: 10.0.0.0/8, via: 192.168.1.1}]",
    "rules: [{from: 192.168.1.100/32, table: 100}]",
    "hooks: {on_change: {exec: [/bin/true]}}",
]
TOP = ["sync_groups: [{name: both, routers: [web]}]", "connection_sync: {interface: eth1}"]
CHECK = [
    "via: vip",
]


def _refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        cluster(text)
    (only,) = caught.value.mistakes
    return only.message


def _key(line: str) -> str:
    return line.partition(":")[0]


@pytest.mark.parametrize("line", ROUTER, ids=_key)
def test_a_later_router_key_is_unknown(line: str) -> None:
    assert _refused(router(line)) == f"unknown key {_key(line)!r}"


@pytest.mark.parametrize("line", TOP, ids=_key)
def test_a_later_top_level_key_is_unknown(line: str) -> None:
    assert _refused(line) == f"unknown key {_key(line)!r}"


@pytest.mark.parametrize("line", CHECK, ids=_key)
def test_a_later_key_of_tcp_is_unknown(line: str) -> None:
    assert _refused(service(f"check: {{type: tcp, {line}}}")) == f"unknown key {_key(line)!r}"


@pytest.mark.parametrize("line", CHECK, ids=_key)
def test_a_later_key_of_http_is_unknown(line: str) -> None:
    assert _refused(service(f"check: {{type: http, {line}}}")) == f"unknown key {_key(line)!r}"
