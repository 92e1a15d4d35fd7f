"""CPU of a health check beside keepalived's, both at work at once beside a real IPVS."""

from __future__ import annotations

import json
import sys
from statistics import median

from bench.costs_in_guest import CHECKED, CHECKS
from bench.figures import Figure, at_most
from lvsha.lab import guest

LIMIT = 300.0
"""Seconds for all of it, boot included."""


def figures() -> list[Figure]:
    said = bytearray()
    argv = [sys.executable, "-m", "bench.costs_in_guest"]
    status = guest.run(argv, timeout=LIMIT, out=said.extend)
    assert status == 0, said.decode()
    where = "this kernel" if guest.host_has_ipvs() else "the guest"
    found = json.loads(said)
    return [row for check in CHECKS for row in _rows(check, where, **found[check])]


def _rows(
    check: str, where: str, cpu: dict[str, list[float]], rss: dict[str, float]
) -> list[Figure]:
    ours, theirs = median(cpu["lvsha"]), median(cpu["keepalived"])
    what = f"{CHECKED} {check} checks a second in {where}: CPU over keepalived's"
    sizes = f"{rss['lvsha'] / 1e6:.0f} and {rss['keepalived'] / 1e6:.0f} MB"
    return [
        at_most(what, ours / theirs, 1, "{:.1f} times"),
        Figure("  a check, of both", f"{ours * 1e6:.0f} and {theirs * 1e6:.0f} µs"),
        Figure("  RSS of all processes, of both", sizes),
    ]
