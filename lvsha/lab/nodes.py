"""Directors of a lab as an operator has them: `lvsha run` in a namespace, its log and status."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from lvsha.errors import HostError
from lvsha.lab.topology import Namespace
from lvsha.runtime import control

T = TypeVar("T")

LVSHA = (sys.executable, "-m", "lvsha")
POLL_INTERVAL = 0.05


class DirectorNode:
    """One director. `folder` keeps its log and runtime directory, also over restarts."""

    def __init__(self, machine: Namespace, file: Path, folder: Path) -> None:
        self.machine = machine
        self.file = file
        self.runtime_dir = folder / f"{machine.name}-run"
        self.log = folder / f"{machine.name}.log"
        self._words = (str(file), "--node", machine.name, "--runtime-dir", str(self.runtime_dir))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """`lvsha run`; returns at once."""
        with self.log.open("ab") as log:
            self._process = self.machine.start(
                *LVSHA, "run", *self._words, stdin=subprocess.DEVNULL, stderr=log
            )

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(30)

    def die(self) -> None:
        """The whole node is gone: every process killed, the link down."""
        self.kill_processes()
        self.machine.link(up=False)

    def kill_processes(self) -> None:
        """Every process killed, the link up."""
        self.machine.kill()
        if self._process is not None:
            self._process.wait(10)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`lvsha WORD …` on this node, as its operator types it."""
        argv = self.machine.command([*LVSHA, words[0], *self._words, *words[1:]])
        return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)

    def status(self) -> dict[str, Any] | None:
        """What `lvsha status --json` prints; None while nobody answers."""
        try:
            found: dict[str, Any] = control.get(self.runtime_dir, "/status")
        except HostError:
            return None
        return found

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log's lines of one event."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [event for event in found if event["event"] == name]

    def has(self, address: str) -> bool:
        """Whether an address is on this node's first interface."""
        return f" {address}/" in self.machine.run("ip", "-o", "address", "show", "dev", "eth0")


def wait_for(what: str, look: Callable[[], T | None], timeout: float = 60.0) -> T:
    """The first true answer of `look`. TimeoutError naming `what` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (found := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(POLL_INTERVAL)
    return found
