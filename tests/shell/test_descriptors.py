"""The descriptor limit: raised where it helps, never lowered."""

from __future__ import annotations

import resource

import pytest

from lvsha.director.descriptors import CEILING, KEPT_BACK, raise_descriptor_limit

NO_LIMIT = resource.RLIM_INFINITY
ENOUGH = CEILING + KEPT_BACK


@pytest.mark.parametrize(
    ("soft", "hard", "becomes", "probes"),
    [
        (1024, 4096, 4096, 4096 - KEPT_BACK),
        (1024, 1_048_576, ENOUGH, CEILING),
        (1024, NO_LIMIT, ENOUGH, CEILING),
        (NO_LIMIT, NO_LIMIT, NO_LIMIT, CEILING),
        (500_000, 1_048_576, 500_000, CEILING),
        (64, 64, 64, 1),
    ],
)
def test_the_soft_limit_rises_within_the_hard_one(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, becomes: int, probes: int
) -> None:
    """And the hard limit stays what the administrator made it."""
    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: limits.append(pair))
    assert raise_descriptor_limit() == probes
    assert limits[-1] == (becomes, hard)
