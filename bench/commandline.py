"""The ipvsadm look-alike beside ipvsadm: a large restore, a large listing, one single command."""

from __future__ import annotations

import json
import subprocess
import sys
import time

from bench.commandline_in_guest import DESTINATIONS, ONE
from bench.figures import Figure, at_least, at_most
from lvsha.lab import guest

LIMIT = 300.0
"""Seconds for all of it, boot included."""
STARTS = 15
TO_FIRST_SEND = f"""\
import os
import lvsha.cli.ipvsadm
from lvsha.kernel.genetlink import Conversation
Conversation._send = lambda *_: os._exit(0)
lvsha.cli.ipvsadm.main({list(ONE)!r})
"""
"""A program that ends where it would talk to the kernel for the first time."""


def figures() -> list[Figure]:
    said = bytearray()
    argv = [sys.executable, "-m", "bench.commandline_in_guest"]
    status = guest.run(argv, timeout=LIMIT, out=said.extend)
    assert status == 0, said.decode()
    found = json.loads(said)
    return [*_beside(found), *_start_up()]


def _beside(found: dict[str, dict[str, float]]) -> list[Figure]:
    real, ours, start = found["real"], found["ours"], float(found["start"])  # type: ignore[arg-type]
    where = "this kernel" if guest.host_has_ipvs() else "the guest"
    whole = real["restore"] / ours["restore"]
    net = real["restore"] / (ours["restore"] - start)
    return [
        at_least(
            f"restore of {DESTINATIONS:,} in {where}, ipvsadm's time over ours",
            whole,
            20,
            "{:.1f} times",
        ),
        at_least("  the same without our interpreter's start", net, 50, "{:.1f} times"),
        _pair("  seconds of both", real["restore"], ours["restore"]),
        Figure("  our interpreter's start there", f"{start:.2f} s"),
        at_most(
            f"listing of {DESTINATIONS:,}, ours over ipvsadm's",
            ours["list"] / real["list"],
            1,
            "{:.2f} times",
        ),
        _pair("  seconds of both", real["list"], ours["list"]),
        _pair("one -a, seconds of both", real["add"], ours["add"]),
    ]


def _pair(what: str, real: float, ours: float) -> Figure:
    return Figure(what, f"{real:.2f} and {ours:.2f} s")


def _start_up() -> list[Figure]:
    bare = _least("pass")
    whole = _least(TO_FIRST_SEND)
    return [
        at_most(
            "one -a on this machine, start to first netlink send", whole * 1000, 100, "{:.0f} ms"
        ),
        Figure("  of which the interpreter's own start", f"{bare * 1000:.0f} ms"),
    ]


def _least(program: str) -> float:
    """Seconds of the fastest of several runs: the others met the machine's other work."""
    times = []
    for _ in range(STARTS):
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", program], check=True)
        times.append(time.monotonic() - began)
    return min(times)
