"""Advertisements of `lvsha run` while its director checks, reloads and is scraped, beside hogs.

Each core has a program that never waits. Lateness is seen from outside: the kernel's time stamps
of packets that reach another machine of the lab, against the schedule their own earliest arrivals
draw. A bare timer of the same scheduling class runs beside it: what it is late, the machine is.
Beside it runs keepalived, too, which has but to advertise. It counts each interval from the last
advertisement, so that with it only the time between two can be compared.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from bench import clusters
from bench.ear import Advert, Ear, beyond, lateness, listening
from bench.figures import Figure, at_most, quantile, spread
from bench.keepalived import KeepalivedNode, configuration
from bench.site import SERVERS, site
from lvsha.lab.nodes import DirectorNode
from lvsha.lab.topology import Namespace
from lvsha.runtime.realtime import PRIORITY

CHECK = {"interval": "333ms", "timeout": "300ms"}
INTERVAL = 0.1
SECONDS = 25.0
VIRTUAL_ROUTER_ID = 51


@dataclass(frozen=True, slots=True)
class Turn:
    """A scheduling class, and the keepalived that is in it: its virtual router ID and what it is
    told."""

    words: str
    policy: int
    priority: int
    rival: int
    option: str


TURNS = (
    Turn("SCHED_FIFO", os.SCHED_FIFO, PRIORITY, 61, "vrrp_rt_priority 1"),
    Turn("ordinary class", os.SCHED_OTHER, 0, 62, ""),
)
"""As lvsha runs where it may, and where it may not."""


def figures() -> list[Figure]:
    names = [f"ka{turn.rival}" for turn in TURNS]
    with (
        site(*CHECK.values(), "client", *names) as (node, (client, *machines), _),
        listening(client) as ear,
        rivals(machines),
        hogs(),
    ):
        status = node.status()
        assert status is not None
        vrrp = status["pids"]["vrrp"]
        assert os.sched_getscheduler(vrrp) & ~os.SCHED_RESET_ON_FORK == TURNS[0].policy
        found = [row for turn in TURNS for row in measure(node, ear, vrrp, turn)]
        assert [e["new"] for e in node.events("vrrp.state")] == ["BACKUP", "MASTER"]
    return found


def measure(node: DirectorNode, ear: Ear, vrrp: int, turn: Turn) -> list[Figure]:
    os.sched_setscheduler(vrrp, turn.policy, os.sched_param(turn.priority))
    ear.hear()
    before, began = metric(node, "lvsha_checks_passed_total"), time.monotonic()
    with timer(turn) as bare:
        reloads = disturb(node, began + SECONDS)
        took = time.monotonic() - began
        rate = (metric(node, "lvsha_checks_passed_total") - before) / took
        times = arrivals(ear)
        machine = json.loads(bare.communicate()[0])
    ours, theirs = (times[number] for number in (VIRTUAL_ROUTER_ID, turn.rival))
    late = lateness(ours, INTERVAL)
    assert len(late) > 0.98 * took / INTERVAL, f"{len(late)} advertisements in {took:.1f} s"
    p99, bare_p99 = (quantile(samples, 0.99) * 1e3 for samples in (late, machine))
    return [
        at_most(f"advertisement lateness beside hogs, {turn.words}, p99", p99, 5, "{:.1f} ms"),
        at_most("  beyond the bare timer's p99", max(0.0, p99 - bare_p99), 1, "{:.1f} ms"),
        Figure("  p50 / p99 / max", spread(late)),
        Figure("  a bare timer in the same class, p50 / p99 / max", spread(machine)),
        Figure(
            "  time between two, beyond the interval",
            spread(beyond(ours, INTERVAL)),
        ),
        Figure("  keepalived's in the same class", spread(beyond(theirs, INTERVAL))),
        Figure("  meanwhile: checks passed a second", f"{rate:.0f}"),
        Figure(f"  meanwhile: reloads of {SERVERS:,} servers, and as many scrapes", f"{reloads}"),
    ]


@contextmanager
def hogs() -> Iterator[None]:
    """A program on each core that does nothing, all the time."""
    programs = []
    for core in sorted(os.sched_getaffinity(0)):
        programs.append(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
        os.sched_setaffinity(programs[-1].pid, {core})
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


@contextmanager
def timer(turn: Turn) -> Iterator[subprocess.Popen[bytes]]:
    """A bare timer as long as a measurement; what it prints is there when it has ended."""
    words = map(str, (INTERVAL, SECONDS, turn.policy, turn.priority))
    program = [sys.executable, "-m", "bench.timer", *words]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as bare:
        yield bare


@contextmanager
def rivals(machines: list[Namespace]) -> Iterator[None]:
    """A keepalived on each, master of its own virtual router, in its scheduling class."""
    with tempfile.TemporaryDirectory() as folder:
        for machine, turn in zip(machines, TURNS, strict=True):
            routers = [(turn.rival, IPv4Address(f"192.168.1.{turn.rival}"))]
            text = configuration(routers, 150, INTERVAL, turn.option)
            node = KeepalivedNode(machine, text, Path(folder))
            node.start()
            assert bool(os.sched_getparam(node.vrrp).sched_priority) == bool(turn.priority)
        yield


def arrivals(ear: Ear) -> dict[int, list[float]]:
    """Of the advertisements of each virtual router."""
    found: dict[int, list[float]] = {}
    for each in ear.hear():
        if isinstance(each, Advert):
            found.setdefault(each.virtual_router_id, []).append(each.at)
    return found


def disturb(node: DirectorNode, end: float) -> int:
    """Reload another file and scrape, over and over; how often."""
    count, first = 0, int(metric(node, "lvsha_config_generation"))
    while time.monotonic() < end:
        count += 1
        node.file.write_text(clusters.checked(SERVERS, **CHECK, weight=1 + (first + count) % 2))
        done = node.command("reload")
        assert done.stdout == f"generation {first + count} is in force\n", done
        assert metric(node, "lvsha_config_generation") == first + count
    return count


def metric(node: DirectorNode, name: str) -> float:
    with socket.socket(socket.AF_UNIX) as end:
        end.connect(str(node.runtime_dir / "control.sock"))
        end.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        text = b"".join(iter(lambda: end.recv(1 << 20), b"")).decode()
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found, f"no {name}"
    return float(found[1])
