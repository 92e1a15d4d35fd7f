"""Keys of the contract whose feature is not built yet are unknown, never silently accepted."""

from __future__ import annotations

import pytest

from lvsha.errors import ConfigError
from tests.config.text import cluster

TOP = ["connection_sync: {interface: eth1}"]


def _key(line: str) -> str:
    return line.partition(":")[0]


@pytest.mark.parametrize("line", TOP, ids=_key)
def test_a_later_top_level_key_is_unknown(line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        cluster(line)
    (only,) = caught.value.mistakes
    assert only.message == f"unknown key {_key(line)!r}"
