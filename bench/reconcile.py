"""10,000 destinations from an empty table, beside ipvsadm-restore, on a real IPVS."""

from __future__ import annotations

import json
import sys
from statistics import median

from bench.figures import Figure, at_least
from bench.in_guest import DESTINATIONS
from lvsha.lab import guest

LIMIT = 200.0
"""Seconds for all of it, boot included."""


def figures() -> list[Figure]:
    said = bytearray()
    argv = [sys.executable, "-m", "bench.in_guest"]
    status = guest.run(argv, timeout=LIMIT, out=said.extend)
    assert status == 0, said.decode()
    found = json.loads(said)
    restore, reconcile = (sorted(found[name]) for name in ("restore", "reconcile"))
    ratio = median(restore) / median(reconcile)
    where = "this kernel" if guest.host_has_ipvs() else "the guest"
    what = f"{DESTINATIONS:,} destinations in {where}"
    rss = " + ".join(f"{size / 1e6:.0f}" for size in found["rss"].values())
    return [
        at_least(f"{what}, ipvsadm-restore's time over lvsha's", ratio, 50, "{:.0f} times"),
        Figure("  ipvsadm-restore", _seconds(restore)),
        Figure("  lvsha, first command to last acknowledgement", _seconds(reconcile)),
        Figure("  the kernel alone, for messages packed before", _seconds(sorted(found["kernel"]))),
        Figure("  `lvsha run` typed to table in place", f"{found['start']:.1f} s"),
        Figure("  a resync with nothing to repair, CPU", f"{found['resync']:.2f} s"),
        Figure(f"  RSS {' + '.join(found['rss'])}", f"{rss} MB"),
    ]


def _seconds(turns: list[float]) -> str:
    return ", ".join(f"{turn:.2f}" for turn in turns) + " s"
