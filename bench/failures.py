"""From a server's failure to its removal, and from its recovery to its return, beside keepalived.

Medians of trials at equal settings (`bench.rivals`), on a real IPVS, both programs in one run.
"""

from __future__ import annotations

import json
import sys
from statistics import median

from bench.contest import LOOK
from bench.failures_in_guest import TRIALS
from bench.figures import Figure
from bench.rivals import INTERVAL
from lvsha.lab import guest

LIMIT = 300.0
"""Seconds for all of it, boot included."""


def figures() -> list[Figure]:
    said = bytearray()
    argv = [sys.executable, "-m", "bench.failures_in_guest"]
    status = guest.run(argv, timeout=LIMIT, out=said.extend)
    assert status == 0, said.decode()
    found = json.loads(said)
    ours, theirs = found["lvsha"], found["keepalived"]
    return [row for fault in ours for row in _rows(fault, ours[fault], theirs[fault])]


def _rows(fault: str, ours: list[list[float]], theirs: list[list[float]]) -> list[Figure]:
    """`ours` and `theirs` are pairs: seconds to the removal and to the return."""
    for removed, returned in (*ours, *theirs):
        assert removed > INTERVAL - LOOK, f"{fault}: removed after {removed:.2f} s, by one failure"
        assert returned >= 0, f"{fault}: returned {-returned:.2f} s before it was mended"
    assert len(ours) == len(theirs) == TRIALS, f"{fault}: {len(ours)} and {len(theirs)} trials"
    (gone, back), (their_gone, their_back) = (
        [median(times) for times in zip(*trials, strict=True)] for trials in (ours, theirs)
    )
    return [
        _no_later(f"{fault}: from the failure to the removal", gone, their_gone),
        _no_later("  from the recovery to the return", back, their_back),
    ]


def _no_later(what: str, ours: float, theirs: float) -> Figure:
    """To the time between two looks, which neither can help."""
    said, target = f"{ours:.2f} s", f"keepalived's {theirs:.2f} s"
    return Figure(what, said, target, ours <= theirs + LOOK)
