"""10,000 checked servers in the whole daemon, and a plan of 50,000.

The daemon is `bench.site`'s; the plan's table is read from `bench.paper`, which tells it in the
kernel's bytes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from bench import clusters
from bench.ask import ask
from bench.figures import Figure, at_most
from bench.paper import PaperKernel
from bench.processes import memory
from bench.site import site
from lvsha.config.resolve import load, resolve
from lvsha.core import desired, diff
from lvsha.core.commands import AddDestination, AddService
from lvsha.core.types import IpvsTable
from lvsha.lab.nodes import DirectorNode
from lvsha.runtime.control import socket_path

CHECKED = 10_000
SCRAPES, PAUSE = 5, 3.0
"""How often lateness is asked for: an answer covers the starts of some 2 s."""

SETTLING = 8.0
"""Seconds before the first: asking again and again whether all are up has kept it from its work."""

PLANNED = 50_000
T = TypeVar("T")


def figures() -> list[Figure]:
    return [*_daemon(), *_plan()]


def _daemon() -> list[Figure]:
    """Every check over HTTP at 5 s, with its scrapes and resyncs."""
    with site("5s", "1s", servers=CHECKED) as (node, _, started):
        time.sleep(SETTLING)
        late = [_lateness(node) for _ in range(SCRAPES)]
        status = node.status()
        assert status is not None
        servers = [s for each in status["virtual_services"] for s in each["real_servers"]]
        assert [server["health"] for server in servers] == ["UP"] * CHECKED
        assert not node.events("director.suspect")
        found = {name: memory(pid).rss / 1e6 for name, pid in status["pids"].items()}
    shares = " + ".join(f"{size:.0f}" for size in found.values())
    what = f"`lvsha run`, {CHECKED:,} HTTP checks at 5 s"
    return [
        at_most(f"{what}: RSS of all three", sum(found.values()), 300, "{:.0f} MB"),
        Figure(f"  {' + '.join(found)}", f"{shares} MB"),
        at_most("  starts late, p99, worst of all scrapes", max(late) * 1e3, 100, "{:.0f} ms"),
        Figure("  typed to table in place", f"{started:.1f} s"),
    ]


def _lateness(node: DirectorNode) -> float:
    """Seconds: p99 of the latest starts."""
    time.sleep(PAUSE)
    answer = ask(str(socket_path(node.runtime_dir)), "/metrics")
    found = re.search(rb"^lvsha_check_lateness_p99_seconds (\S+)$", answer, re.MULTILINE)
    assert found, "no lateness among the metrics"
    return float(found[1])


def _plan() -> list[Figure]:
    """What a start, a reload and a resync reckon, in wall time."""
    with TemporaryDirectory() as folder:
        file = Path(folder, "bench.yaml")
        file.write_text(clusters.unchecked(PLANNED))
        cluster, reading = _timed(lambda: load(file))
    nodes, resolving = _timed(lambda: resolve(cluster, clusters.NODE))
    plan = nodes.director
    ipvs = PaperKernel(plan.services).ipvs()
    actual, adopting = _timed(ipvs.table)
    view = desired.View(desired.all_up)
    wanted, building = _timed(lambda: desired.build(plan, view, actual))
    none, comparing = _timed(lambda: _commands(wanted, actual))
    every, adding = _timed(lambda: _commands(wanted, {}))
    assert none == (), f"{len(none)} commands where everything is there"
    assert sum(isinstance(each, AddService) for each in every) == PLANNED // clusters.EACH
    assert sum(isinstance(each, AddDestination) for each in every) == PLANNED
    return [
        at_most(f"{PLANNED:,} servers: difference to a full table", comparing, 1, "{:.2f} s"),
        at_most("  difference to an empty table", adding, 1, "{:.2f} s"),
        Figure("  the wanted table from the plan", f"{building:.2f} s"),
        Figure("  the kernel's table read (adopt)", f"{adopting:.2f} s"),
        Figure("  the file read and checked, and the node's plan", f"{reading + resolving:.1f} s"),
    ]


def _commands(wanted: IpvsTable, actual: IpvsTable) -> tuple[object, ...]:
    return diff.commands(wanted, actual, frozenset(actual))


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    began = time.monotonic()
    found = work()
    return found, time.monotonic() - began
