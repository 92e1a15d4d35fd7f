"""A small process that watches files and other processes, for a VRRP process in a hurry.

Run by `lvsha.programs.launch`; it imports little. On its standard input, a socket, it takes what to
watch, one JSON object a packet, the last one counting; there it answers with a packet for each
file and process once, and again whenever it changes. A hanging file system holds up nobody else.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import time
from typing import Any

from lvsha.programs.files import Files, read_number
from lvsha.programs.processes import Processes

REQUEST_LIMIT = 64 * 1024
RECHECK = 5.0
"""Seconds after which everything is looked at again, whatever was told."""

SCAN = 1.0
"""Seconds between looks at all processes where the kernel does not tell."""


class Watcher:
    """Everything watched, and what was last told of it."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._files = Files()
        self._processes: Processes | None = None
        self._told: dict[tuple[str, str], dict[str, Any]] = {}
        self._scan_due = self._recheck_due = 0.0

    def serve(self) -> None:
        """Until standard input ends."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        if self._files.is_told:
            poll.register(self._files, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll(max(0.0, self._wait()) * 1000)}
            if self._control.fileno() in ready:
                if not self._take():
                    return
                if self._processes and self._processes.is_told:
                    poll.register(self._processes, select.POLLIN)
            if self._files.fileno() in ready:
                self._tell_files(self._files.changed())
            if self._processes and self._processes.fileno() in ready:
                self._processes.hear()
                self._tell_processes()
            self._look_when_due()

    def _wait(self) -> float:
        scanning = self._processes and self._processes.names and not self._processes.is_told
        due = min(self._recheck_due, self._scan_due) if scanning else self._recheck_due
        return due - time.monotonic()

    def _take(self) -> bool:
        try:
            data = self._control.recv(REQUEST_LIMIT)
        except ConnectionError:
            return False
        if not data:
            return False
        wanted = json.loads(data)
        self._files.paths = frozenset(wanted["files"])
        names = frozenset(wanted["processes"])
        if names and self._processes is None:
            self._processes = Processes()
        if self._processes is not None:
            self._processes.names = names
        self._told = {}
        self._recheck_due = self._scan_due = 0.0
        return True

    def _look_when_due(self) -> None:
        now = time.monotonic()
        if now >= self._recheck_due:
            self._files.watch()
            self._tell_files(self._files.paths)
            self._recheck_due, self._scan_due = now + RECHECK, 0.0
        if now >= self._scan_due and self._processes is not None:
            if not self._processes.is_told or self._scan_due == 0.0:
                self._processes.scan()
                self._tell_processes()
            took = time.monotonic() - now
            self._scan_due = now + max(SCAN, 20 * took)

    def _tell_files(self, paths: frozenset[str]) -> None:
        for path in paths:
            self._tell("file", path, read_number(path))

    def _tell_processes(self) -> None:
        assert self._processes is not None
        for name, count in self._processes.counts().items():
            self._tell("process", name, {"count": count})

    def _tell(self, kind: str, name: str, found: dict[str, Any]) -> None:
        if self._told.get((kind, name)) != found:
            self._told[kind, name] = found
            self._control.send(json.dumps({"kind": kind, "name": name, **found}).encode())


def main() -> None:
    """Serve the socket on standard input."""
    control = socket.socket(fileno=os.dup(0))
    control.setblocking(True)
    with contextlib.suppress(ConnectionError, BrokenPipeError):
        Watcher(control).serve()
