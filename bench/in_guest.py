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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench import clusters
from bench.processes import cpu_seconds, memory
from lvsha.core.commands import AddDestination, AddService, TableCommand
from lvsha.core.types import Destination, DestinationKey, Protocol, Service, ServiceKey
from lvsha.errors import HostError
from lvsha.kernel import nla, requests
from lvsha.kernel.genetlink import Conversation
from lvsha.lab.topology import Lab, Namespace
from lvsha.runtime import control

DESTINATIONS = 10_000
TURNS = 3
RESYNCS = 2
RESYNC_INTERVAL = 5.0


def main() -> None:
    """Restore and daemon in turns, so that what else the machine does meets both."""
    folder = Path(tempfile.mkdtemp())
    (folder / "bench.yaml").write_text(clusters.unchecked(DESTINATIONS))
    (folder / "rules").write_text(clusters.rules(DESTINATIONS))
    found: dict[str, Any] = {"restore": [], "kernel": [], "reconcile": []}
    with Lab() as lab:
        for turn in range(TURNS):
            theirs, ours = lab.add(f"theirs{turn}", f"ours{turn}")
            found["restore"].append(time_restore(theirs, folder / "rules"))
            found["kernel"].append(time_kernel(lab.add(f"kernel{turn}")[0]))
            wanted = saved(theirs)
            assert saved(lab.namespaces[f"kernel{turn}"]) == wanted
            assert len(wanted) == DESTINATIONS + DESTINATIONS // clusters.EACH, len(wanted)
            last = turn == TURNS - 1
            found |= daemon(ours, folder, wanted, found["reconcile"], with_resyncs=last)
    print(json.dumps(found))


def time_restore(machine: Namespace, file: Path) -> float:
    """Seconds of ipvsadm-restore."""
    with machine.entered(), file.open() as text:
        began = time.monotonic()
        subprocess.run(["ipvsadm-restore"], stdin=text, check=True)
        return time.monotonic() - began


def time_kernel(machine: Namespace) -> float:
    """Seconds the kernel takes for the same messages, packed before: nobody can be faster."""
    with machine.entered():
        conversation = Conversation()
    messages = [requests.encode(command) for command in commands()]
    family = conversation.family(nla.FAMILY)
    began = time.monotonic()
    assert conversation.batch(family, messages) == []
    elapsed = time.monotonic() - began
    conversation.close()
    return elapsed


def commands() -> Iterator[TableCommand]:
    for address, members in clusters.of(DESTINATIONS):
        key = ServiceKey(Protocol.TCP, address, 80)
        yield AddService(Service(key))
        for member in members:
            yield AddDestination(key, Destination(DestinationKey(member, 80)))


def saved(machine: Namespace) -> list[str]:
    """The kernel's table as the real ipvsadm tells it."""
    return sorted(machine.run("ipvsadm-save", "-n").splitlines())


def daemon(
    machine: Namespace,
    folder: Path,
    wanted: list[str],
    elapsed: list[float],
    *,
    with_resyncs: bool,
) -> dict[str, Any]:
    """`lvsha run` on the empty table: its own `elapsed` to the last acknowledgement, and more."""
    log, runtime = folder / f"{machine.name}.log", folder / machine.name
    words = ["run", str(folder / "bench.yaml"), "--node", clusters.NODE]
    program = [sys.executable, "-m", "lvsha", *words, "--runtime-dir", str(runtime)]
    began = time.monotonic()
    with machine.entered(), log.open("wb") as stream:
        process = subprocess.Popen(program, stderr=stream)
    applied = wait_for(lambda: event(log, "ipvs.applied"))
    found: dict[str, Any] = {"start": time.monotonic() - began}
    elapsed.append(applied["elapsed_ms"] / 1000)
    assert applied["added"] == len(wanted), applied
    assert saved(machine) == wanted
    if with_resyncs:
        pids = wait_for(lambda: pids_of(runtime))
        found["resync"] = resync_cpu(pids["director"])
        found["rss"] = {name: memory(pid).rss for name, pid in pids.items()}
    assert event(log, "ipvs.drift") is event(log, "kernel.error") is None
    process.terminate()
    assert process.wait(30) == 0
    return found


def pids_of(runtime: Path) -> dict[str, int] | None:
    try:
        pids: dict[str, int] = control.get(runtime, "/status")["pids"]
    except HostError:
        return None
    return pids if all(pids.values()) else None


def resync_cpu(director: int) -> float:
    """CPU seconds of one resync with nothing to repair."""
    time.sleep(RESYNC_INTERVAL / 2)
    before = cpu_seconds(director)
    time.sleep(RESYNCS * RESYNC_INTERVAL)
    return (cpu_seconds(director) - before) / RESYNCS


def event(log: Path, name: str) -> dict[str, Any] | None:
    """The log's first line of an event."""
    for line in log.read_text().splitlines():
        if line.startswith("{") and (found := json.loads(line))["event"] == name:
            return dict(found)
    return None


def wait_for(look: Callable[[], dict[str, Any] | None], timeout: float = 60) -> dict[str, Any]:
    deadline = time.monotonic() + timeout
    while (found := look()) is None:
        assert time.monotonic() < deadline, "no answer"
        time.sleep(0.2)
    return found


if __name__ == "__main__":
    main()
