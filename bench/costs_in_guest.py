"""The part of `bench.costs` that runs beside a real IPVS: prints what it measured as JSON."""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop

from bench.contest import Contest
from bench.faulty import PORT
from bench.processes import cpu_seconds, memory
from bench.rivals import INTERVAL
from lvsha.lab.topology import Lab, Namespace

CHECKS = ("http", "tcp")
CHECKED = 100
"""Servers of each program."""

TURNS, MOST_TURNS, SECONDS = 5, 20, 3.0
"""So many times CPU is measured, for so long: other work on this machine meets some of them."""

NGINX = """\
daemon off; worker_processes 1; user root; pid {folder}/pid; error_log stderr;
events {{ worker_connections 1000; multi_accept on; }}
http {{
    access_log off; keepalive_timeout 0; server {{ listen {port}; return 200 "ok\\n"; }}
    {temporary}
}}
"""
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


Turns = dict[str, list[float]]
"""CPU seconds of a check in each turn, by program."""


async def measure(check: str) -> dict[str, Any]:
    with Lab() as lab:
        contest = Contest(lab, CHECKED)
        with answering(contest.home), contest.begun(check, look=1.0):
            await contest.settled()
            return {"cpu": await costs(contest), "rss": resident(contest)}


async def costs(contest: Contest) -> Turns:
    """A turn in which somebody could not keep the pace, the machine being busy, is no turn."""
    found: Turns = {rival.name: [] for rival in contest.machines}
    for _ in range(MOST_TURNS):
        before = {rival: used(machine) for rival, machine in contest.machines.items()}
        await asyncio.sleep(SECONDS)
        after = {rival: used(machine) for rival, machine in contest.machines.items()}
        assert contest.is_complete, "somebody took servers out"
        checks = {rival: after[rival][1] - before[rival][1] for rival in before}
        if all(abs(n * INTERVAL / (CHECKED * SECONDS) - 1) < 0.1 for n in checks.values()):
            for rival, n in checks.items():
                found[rival.name].append((after[rival][0] - before[rival][0]) / n)
            if len(found[rival.name]) == TURNS:
                return found
    raise AssertionError(f"too busy a machine: {len(found['lvsha'])} turns of {TURNS}")


def resident(contest: Contest) -> dict[str, float]:
    """Bytes, by program."""
    return {
        rival.name: sum(memory(pid).rss for pid in machine.processes())
        for rival, machine in contest.machines.items()
    }


def used(machine: Namespace) -> tuple[float, float]:
    """CPU seconds of all processes there so far, and the connections they have begun."""
    with machine.entered():
        names, values = (
            line.split()
            for line in Path("/proc/thread-self/net/snmp").read_text().splitlines()
            if line.startswith("Tcp:")
        )
    cpu = sum(map(cpu_seconds, machine.processes()))
    return cpu, float(values[names.index("ActiveOpens")])


@contextmanager
def answering(machine: Namespace) -> Iterator[None]:
    """A web server that costs little: nginx, at every address of the machine."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "nginx.conf")
        temporary = " ".join(f"{name}_temp_path {folder}/{name};" for name in TEMPORARY)
        file.write_text(NGINX.format(folder=folder, port=PORT, temporary=temporary))
        process = machine.start("nginx", "-c", str(file), stdin=subprocess.DEVNULL)
        yield
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    print(json.dumps({check: uvloop.run(measure(check)) for check in CHECKS}))
