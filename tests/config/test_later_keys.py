"""Keys of the contract whose feature is not built yet are unknown, never silently accepted."""

from __future__ import annotations

import pytest

from lvsha.errors import ConfigError
from tests.config.text import cluster, service

TOP = ["connection_sync: {interface: eth1}"]
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


@pytest.mark.parametrize("line", TOP, ids=_key)
def test_a_later_top_level_key_is_unknown(line: str) -> None:
    assert _refused(line) == f"unknown key {_key(line)!r}"


@pytest.mark.parametrize("line", CHECK, ids=_key)
def test_a_later_key_of_tcp_is_unknown(line: str) -> None:
    assert _refused(service(f"check: {{type: tcp, {line}}}")) == f"unknown key {_key(line)!r}"


@pytest.mark.parametrize("line", CHECK, ids=_key)
def test_a_later_key_of_http_is_unknown(line: str) -> None:
    assert _refused(service(f"check: {{type: http, {line}}}")) == f"unknown key {_key(line)!r}"
