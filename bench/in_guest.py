"""The part of `bench.reconcile` that runs beside a real IPVS: prints what it measured as JSON.

Each contender gets a network namespace of its own: the kernel keeps deleted destinations for two
minutes and looks through them all whenever one is added, so that a second one would pay for the
first.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import clusters
from bench.processes import cpu_seconds, memory
from lvsha.lab.topology import Lab, Namespace

DESTINATIONS = 10_000
RESYNCS = 2
RESYNC_INTERVAL = 5.0


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    with Lab() as lab:
        theirs, ours = lab.add("theirs", "ours")
        restore = time_restore(theirs, folder / "rules")
        wanted = saved(theirs)
        assert len(wanted) == DESTINATIONS + DESTINATIONS // clusters.EACH, len(wanted)
        print(json.dumps({"restore": restore, **daemon(ours, folder, wanted)}))


def time_restore(machine: Namespace, file: Path) -> float:
    """Seconds of ipvsadm-restore."""
    file.write_text(clusters.rules(DESTINATIONS))
    with machine.entered(), file.open() as text:
        began = time.monotonic()
        subprocess.run(["ipvsadm-restore"], stdin=text, check=True)
        return time.monotonic() - began


def saved(machine: Namespace) -> list[str]:
    """The kernel's table as the real ipvsadm tells it."""
    return sorted(machine.run("ipvsadm-save", "-n").splitlines())


def daemon(machine: Namespace, folder: Path, wanted: list[str]) -> dict[str, Any]:
    """`lvsha run` on the empty table: its own figures."""
    file, log = folder / "bench.yaml", folder / "log"
    file.write_text(clusters.unchecked(DESTINATIONS))
    words = ["run", str(file), "--node", clusters.NODE, "--runtime-dir", str(folder / "run")]
    began = time.monotonic()
    with machine.entered(), log.open("wb") as stream:
        process = subprocess.Popen([sys.executable, "-m", "lvsha", *words], stderr=stream)
    applied = wait_for(lambda: event(log, "ipvs.applied"))
    start = time.monotonic() - began
    assert applied["added"] == len(wanted), applied
    assert saved(machine) == wanted
    pids = [process.pid, *children(process.pid)]
    resync = resync_cpu(pids[-1])
    assert event(log, "ipvs.drift") is event(log, "kernel.error") is None
    rss = {pid: memory(pid).rss for pid in pids}
    process.terminate()
    assert process.wait(30) == 0
    return {
        "reconcile": applied["elapsed_ms"] / 1000,
        "start": start,
        "resync": resync,
        "rss": list(rss.values()),
    }


def resync_cpu(director: int) -> float:
    """CPU seconds of one resync with nothing to repair."""
    time.sleep(RESYNC_INTERVAL / 2)
    before = cpu_seconds(director)
    time.sleep(RESYNCS * RESYNC_INTERVAL)
    return (cpu_seconds(director) - before) / RESYNCS


def children(pid: int) -> list[int]:
    """vrrp, then director."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sorted(map(int, found), key=lambda child: b"director" in _words(child))


def event(log: Path, name: str) -> dict[str, Any] | None:
    """The log's first line of an event."""
    for line in log.read_text().splitlines():
        if line.startswith("{") and (found := json.loads(line))["event"] == name:
            return dict(found)
    return None


def wait_for(look: Callable[[], dict[str, Any] | None], timeout: float = 120) -> dict[str, Any]:
    deadline = time.monotonic() + timeout
    while (found := look()) is None:
        assert time.monotonic() < deadline, "nothing applied"
        time.sleep(0.1)
    return found


def _words(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


if __name__ == "__main__":
    main()
