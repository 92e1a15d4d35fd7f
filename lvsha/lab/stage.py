"""The demonstration's machines at work: real daemons, real servers, a client, and who watches.

Everything seen becomes news, one JSON object a line on stdout, for whoever shows it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Condition, Event, Thread
from typing import Any

from lvsha.lab.client import Outcome, Steady, Target
from lvsha.lab.nodes import LVSHA, DirectorNode
from lvsha.lab.responder import Responder
from lvsha.lab.topology import DIRECTOR, FRONT, REAL_SERVER, VIRTUAL, Lab, cluster

VIP = FRONT.addresses(VIRTUAL)[0].ip
PORT = 80
RATE, REQUEST_TIMEOUT = 10.0, 1.0
POLL_INTERVAL, TRAFFIC_INTERVAL, LOG_INTERVAL = 1.0, 0.5, 0.1

FILE = f"""\
cluster: demo
nodes:
  lb1: {{address: {FRONT.ipv4}{DIRECTOR}, interface: eth0, priority: 150}}
  lb2: {{address: {FRONT.ipv4}{DIRECTOR + 1}, interface: eth0, priority: 100}}
virtual_routers:
  - {{name: web, virtual_router_id: 51, addresses: [{VIP}/32]}}
virtual_services:
  - name: http
    address: {VIP}
    port: {PORT}
    scheduler: wrr
    forwarding: dr
    check: {{type: http, interval: 500ms, timeout: 400ms, rise: 2, fall: 3}}
    real_servers:
      - {{address: {FRONT.ipv4}{REAL_SERVER}, weight: 2}}
      - {FRONT.ipv4}{REAL_SERVER + 1}
      - {FRONT.ipv4}{REAL_SERVER + 2}
"""

News = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a director's log. `at` in seconds since the epoch."""

    at: float
    node: str
    event: str
    fields: News


@dataclass(slots=True)
class Record:
    """All that was seen so far; `changed` guards it and is notified of everything new."""

    entries: list[Entry] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    statuses: dict[str, News | None] = field(default_factory=dict)
    changed: Condition = field(default_factory=Condition)

    def wait(self, seen: Callable[[], bool], timeout: float) -> bool:
        """Whether `seen` became true within so many seconds."""
        with self.changed:
            return self.changed.wait_for(seen, timeout)

    def first(self, node: str, event: str, since: float, **fields: object) -> Entry | None:
        """The first such line of a node's log since a moment."""
        return next(
            (
                entry
                for entry in self.entries
                if (entry.node, entry.event) == (node, event)
                and entry.at >= since
                and fields.items() <= entry.fields.items()
            ),
            None,
        )


class Stage:
    """Two directors, three real servers and a client, from the first `ip` command to the last."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self.record = Record()
        self._folder = folder
        self._file = folder / "demo.yaml"
        self._file.write_text(FILE)
        machines = cluster(lab)
        self._client = machines.client
        self.directors = {
            machine.name: DirectorNode(machine, self._file, folder)
            for machine in machines.directors
        }
        self.real_servers = {machine.name: machine for machine in machines.real_servers}
        self._responders = [Responder(machine, [PORT]) for machine in machines.real_servers]
        self._over = Event()
        self._pending: list[Outcome] = []
        self._steady: Steady | None = None

    def set_up_real_servers(self) -> bool:
        """`lvsha realserver up` on each, side by side; whether all succeeded."""
        started = [
            machine.start(
                *(*LVSHA, "realserver", "up", str(self._file)),
                *("--runtime-dir", str(self._folder / machine.name)),
                stdout=subprocess.DEVNULL,
            )
            for machine in self.real_servers.values()
        ]
        return {process.wait() for process in started} == {0}

    def boot_director(self, name: str) -> None:
        """A dead machine comes back as machines do: no VIP, an empty table; then `lvsha run`."""
        node = self.directors[name]
        node.machine.run("ip", "address", "flush", "to", f"{VIP}/32")
        node.machine.run("ipvsadm", "-C")
        node.machine.link(up=True)
        node.start()

    def watch(self) -> None:
        """Directors' logs and status become news from now on."""
        for name, node in self.directors.items():
            Thread(target=self._read_log, args=(name, node.log), daemon=True).start()
        Thread(target=self._poll, daemon=True).start()

    def start_traffic(self) -> None:
        """Requests at RATE, a new connection each."""
        target = Target(VIP, PORT)
        self._steady = Steady(self._client, target, RATE, REQUEST_TIMEOUT, self._note_outcome)
        Thread(target=self._tell_traffic, daemon=True).start()

    def stop(self) -> None:
        """Traffic first, then SIGTERM to each director, which then leaves in order."""
        if self._steady:
            self._steady.stop()
        self._over.set()
        for node in self.directors.values():
            if node.machine.processes():
                node.stop()
        for responder in self._responders:
            responder.close()

    def _read_log(self, name: str, path: Path) -> None:
        with path.open("rb") as log:
            unfinished = b""
            while not self._over.wait(LOG_INTERVAL):
                *lines, unfinished = (unfinished + log.read()).split(b"\n")
                for line in lines:
                    self._take(name, line)

    def _take(self, name: str, line: bytes) -> None:
        """A line of a director's log; what is no event is shown as it is."""
        try:
            fields = json.loads(line)
            at = datetime.fromisoformat(fields["ts"]).timestamp()
        except (ValueError, KeyError):
            tell("said", node=name, text=line.decode(errors="replace"))
            return
        with self.record.changed:
            self.record.entries.append(Entry(at, name, fields["event"], fields))
            self.record.changed.notify_all()
        tell("log", **fields)

    def _poll(self) -> None:
        while not self._over.wait(POLL_INTERVAL):
            for name, node in self.directors.items():
                status = node.status()
                with self.record.changed:
                    self.record.statuses[name] = status
                    self.record.changed.notify_all()
                tell("status", node=name, status=status)

    def _note_outcome(self, outcome: Outcome) -> None:
        with self.record.changed:
            self.record.outcomes.append(outcome)
            self._pending.append(outcome)
            self.record.changed.notify_all()

    def _tell_traffic(self) -> None:
        while not self._over.wait(TRAFFIC_INTERVAL):
            with self.record.changed:
                told, self._pending = self._pending, []
            tell("traffic", outcomes=[(each.server, each.ended - each.began) for each in told])


def tell(kind: str, **fields: object) -> None:
    """One piece of news: a line in one write, so that threads do not mix theirs."""
    sys.stdout.write(json.dumps({"kind": kind, "at": time.time(), **fields}) + "\n")
    sys.stdout.flush()
