"""Advertisements of `lvsha run` while its director checks, reloads and is scraped.

Lateness is seen from outside: the kernel's time stamps of packets that reach another machine of
the lab, against the schedule their own earliest arrivals draw. A bare timer process of the same
scheduling class runs beside it: what it is late, the machine is.
"""

from __future__ import annotations

import json
import os
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench import clusters
from bench.figures import Figure, at_most, quantile
from bench.site import SERVERS, site
from lvsha.lab.nodes import DirectorNode
from lvsha.lab.topology import Namespace

CHECK = {"interval": "333ms", "timeout": "300ms"}
INTERVAL = 0.1
SECONDS = 30.0
CLASSES = {
    os.SCHED_OTHER: "ordinary",
    os.SCHED_FIFO | os.SCHED_RESET_ON_FORK: "SCHED_FIFO",
}
VRRP = 112
SO_TIMESTAMPNS = 35
GROUP = socket.inet_aton("224.0.0.18")


def figures() -> list[Figure]:
    with site(**CHECK) as (node, client, _), listening(client) as ear:
        return measure(node, ear)


def measure(node: DirectorNode, ear: socket.socket) -> list[Figure]:
    status = node.status()
    assert status is not None
    vrrp = status["pids"]["vrrp"]
    policy, priority = os.sched_getscheduler(vrrp), os.sched_getparam(vrrp).sched_priority
    words = [INTERVAL, SECONDS, policy, priority]
    bare = subprocess.Popen(
        [sys.executable, "-m", "bench.timer", *map(str, words)], stdout=subprocess.PIPE
    )
    before, began = metric(node, "lvsha_checks_passed_total"), time.monotonic()
    reloads = disturb(node, began + SECONDS)
    took = time.monotonic() - began
    rate = (metric(node, "lvsha_checks_passed_total") - before) / took
    late = lateness(arrivals(ear))
    own = metric(node, "lvsha_advert_lateness_p99_seconds")
    machine = json.loads(bare.communicate()[0])
    assert len(late) > 0.98 * took / INTERVAL, f"{len(late)} advertisements in {took:.1f} s"
    assert [e["new"] for e in node.events("vrrp.state")] == ["BACKUP", "MASTER"]
    return [
        at_most("advertisement lateness, p99, seen from outside", ms(late, 0.99), 5, "{:.1f} ms"),
        at_most(
            "  beyond the bare timer's p99",
            max(0.0, ms(late, 0.99) - ms(machine, 0.99)),
            5,
            "{:.1f} ms",
        ),
        Figure("  p50 / max", f"{ms(late, 0.5):.1f} / {ms(late, 1):.1f} ms"),
        Figure("  p99 as the daemon itself says", f"{own * 1e3:.1f} ms"),
        Figure(
            f"  a bare timer beside it ({CLASSES[policy]} as vrrp), p50 / p99 / max",
            " / ".join(f"{ms(machine, share):.1f}" for share in (0.5, 0.99, 1)) + " ms",
        ),
        Figure("  meanwhile: checks passed a second", f"{rate:.0f}"),
        Figure(f"  meanwhile: reloads of {SERVERS:,} servers, and as many scrapes", f"{reloads}"),
    ]


def disturb(node: DirectorNode, end: float) -> int:
    """Reload another file and scrape, over and over; how often."""
    count = 0
    while time.monotonic() < end:
        count += 1
        node.file.write_text(clusters.checked(SERVERS, **CHECK, weight=1 + count % 2))
        done = node.command("reload")
        assert done.stdout == f"generation {1 + count} is in force\n", done
        assert metric(node, "lvsha_config_generation") == 1 + count
    return count


def metric(node: DirectorNode, name: str) -> float:
    with socket.socket(socket.AF_UNIX) as end:
        end.connect(str(node.runtime_dir / "control.sock"))
        end.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        text = b"".join(iter(lambda: end.recv(1 << 20), b"")).decode()
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found, f"no {name}"
    return float(found[1])


@contextmanager
def listening(client: Namespace) -> Iterator[socket.socket]:
    """A socket that gets the advertisements, each with the kernel's time of its arrival."""
    with client.entered():
        ear = socket.socket(socket.AF_INET, socket.SOCK_RAW, VRRP)
        member = GROUP + struct.pack("=ii", 0, socket.if_nametoindex("eth0"))
        ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    ear.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    ear.setblocking(False)
    with ear:
        yield ear


def arrivals(ear: socket.socket) -> list[float]:
    found: list[float] = []
    while True:
        try:
            _, extra, _, _ = ear.recvmsg(2048, 256)
        except BlockingIOError:
            return found
        ((_, _, stamp),) = extra
        seconds, nanoseconds = struct.unpack("=qq", stamp)
        found.append(seconds + nanoseconds * 1e-9)


def lateness(times: list[float]) -> list[float]:
    """How late each is on the schedule the most punctual of them draw."""
    off = [at - number * INTERVAL for number, at in enumerate(times)]
    return [each - min(off) for each in off]


def ms(samples: list[float], share: float) -> float:
    return quantile(samples, share) * 1e3
