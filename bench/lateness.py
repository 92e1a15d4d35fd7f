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
from ipaddress import IPv4Address
from pathlib import Path

from bench import clusters
from bench.ear import Advert, Ear, beyond, lateness, listening
from bench.figures import Figure, at_most, quantile, spread
from bench.keepalived import KeepalivedNode, configuration
from bench.site import SERVERS, site
from lvsha.lab.nodes import DirectorNode
from lvsha.lab.topology import Namespace

CHECK = {"interval": "333ms", "timeout": "300ms"}
INTERVAL = 0.1
SECONDS = 25.0
CLASSES = {
    os.SCHED_OTHER: "ordinary class",
    os.SCHED_FIFO | os.SCHED_RESET_ON_FORK: "SCHED_FIFO",
}
VIRTUAL_ROUTER_ID = 51
RIVALS = {61: (os.SCHED_OTHER, ""), 62: (os.SCHED_RR, "vrrp_rt_priority 1")}
"""Virtual router IDs of the keepalived in each class, and what puts it there."""


def figures() -> list[Figure]:
    with (
        site(*CHECK.values(), "client", "ka61", "ka62") as (node, (client, *machines), _),
        listening(client) as ear,
        rivals(machines),
        hogs(),
    ):
        status = node.status()
        assert status is not None
        vrrp = status["pids"]["vrrp"]
        found = measure(node, ear, vrrp, rival=62)
        os.sched_setscheduler(vrrp, os.SCHED_OTHER, os.sched_param(0))
        found += measure(node, ear, vrrp, rival=61)
        assert [e["new"] for e in node.events("vrrp.state")] == ["BACKUP", "MASTER"]
    return found


def measure(node: DirectorNode, ear: Ear, vrrp: int, rival: int) -> list[Figure]:
    policy, priority = os.sched_getscheduler(vrrp), os.sched_getparam(vrrp).sched_priority
    ear.hear()
    before, began = metric(node, "lvsha_checks_passed_total"), time.monotonic()
    with timer(policy, priority) as bare:
        reloads = disturb(node, began + SECONDS)
        took = time.monotonic() - began
        rate = (metric(node, "lvsha_checks_passed_total") - before) / took
        times = arrivals(ear)
        machine = json.loads(bare.communicate()[0])
    late, where = lateness(times[VIRTUAL_ROUTER_ID], INTERVAL), CLASSES[policy]
    assert len(late) > 0.98 * took / INTERVAL, f"{len(late)} advertisements in {took:.1f} s"
    p99, bare_p99 = (quantile(samples, 0.99) * 1e3 for samples in (late, machine))
    return [
        at_most(f"advertisement lateness beside hogs, {where}, p99", p99, 5, "{:.1f} ms"),
        at_most("  beyond the bare timer's p99", max(0.0, p99 - bare_p99), 1, "{:.1f} ms"),
        Figure("  p50 / p99 / max", spread(late)),
        Figure("  a bare timer in the same class, p50 / p99 / max", spread(machine)),
        Figure(
            "  time between two, beyond the interval",
            spread(beyond(times[VIRTUAL_ROUTER_ID], INTERVAL)),
        ),
        Figure("  keepalived's in the same class", spread(beyond(times[rival], INTERVAL))),
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
def timer(policy: int, priority: int) -> Iterator[subprocess.Popen[bytes]]:
    """A bare timer as long as a measurement; what it prints is there when it has ended."""
    words = map(str, (INTERVAL, SECONDS, policy, priority))
    program = [sys.executable, "-m", "bench.timer", *words]
    with subprocess.Popen(program, stdout=subprocess.PIPE) as bare:
        yield bare


@contextmanager
def rivals(machines: list[Namespace]) -> Iterator[None]:
    """A keepalived on each, master of its own virtual router, in its scheduling class."""
    with tempfile.TemporaryDirectory() as folder:
        for machine, (number, (policy, option)) in zip(machines, RIVALS.items(), strict=True):
            routers = [(number, IPv4Address(f"192.168.1.{number}"))]
            text = configuration(routers, 150, INTERVAL, option)
            node = KeepalivedNode(machine, text, Path(folder))
            node.start()
            assert os.sched_getscheduler(node.vrrp) & ~os.SCHED_RESET_ON_FORK == policy
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
