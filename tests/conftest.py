"""What each tier needs, said once: a test that cannot run here says why and how it can."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from typing import Any

import pytest

NEEDS_LAB = "needs a kernel with IPVS of its own: python -m lvsha.lab.guest pytest -m kernel tests"
NEEDS_ROOT = "needs root and network namespaces"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite", action="store_true", help="write scenario transcripts anew")


def pytest_sessionstart() -> None:
    """No event loop by default: looptime asks for one in plain tests too, and leaves it open."""
    asyncio.set_event_loop(None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Kernel tests rewrite whole IPVS tables: never outside the lab, even where they could."""
    if item.get_closest_marker("kernel") and "LVSHA_LAB" not in os.environ:
        pytest.skip(NEEDS_LAB)
    if item.get_closest_marker("netns") and os.geteuid() != 0:
        pytest.skip(NEEDS_ROOT)


@pytest.fixture
def events(caplog: pytest.LogCaptureFixture) -> Callable[[str], list[dict[str, Any]]]:
    """The fields of each log line so far of an event."""
    caplog.set_level(logging.INFO, logger="lvsha")

    def named(name: str) -> list[dict[str, Any]]:
        return [r.fields for r in caplog.records if r.getMessage() == name]  # type: ignore[attr-defined]

    return named
