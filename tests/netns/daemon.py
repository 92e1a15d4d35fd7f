"""`lvsha run` in a namespace of its own, as an operator and as systemd see it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

from lvsha.lab.nodes import LVSHA, DirectorNode, wait_for
from lvsha.lab.topology import Namespace

VIP = "192.168.1.100"
FILE = """\
cluster: web
nodes:
  lb1: {address: 192.168.1.11, interface: eth0, priority: 150}
  lb2: {address: 192.168.1.12, interface: eth0, priority: 100}
virtual_routers:
  - {name: web, virtual_router_id: 51, addresses: [192.168.1.100/32], advertisement_interval: 100ms}
"""


class Daemon(DirectorNode):
    """lb1 of FILE. `environment` is what systemd would add."""

    def __init__(self, machine: Namespace, folder: Path, **environment: str) -> None:
        file = folder / "web.yaml"
        file.write_text(FILE)
        super().__init__(machine, file, folder)
        self.environment = environment

    def start(self, **options: Any) -> None:
        with self.log.open("ab") as log:
            options.setdefault("stderr", log)
            self._process = self.machine.start(
                *(*LVSHA, "run", *self._words),
                stdin=subprocess.DEVNULL,
                env=os.environ | self.environment,
                **options,
            )

    def start_and_wait(self) -> None:
        self.start()
        self.is_master()
        wait_for("ready", lambda: (found := self.status()) is not None and found["ready"], 20)

    def is_master(self) -> None:
        wait_for("MASTER", lambda: self.router() == "MASTER" and self.has(VIP), 20)

    def router(self) -> str | None:
        found = self.status()
        return found["virtual_routers"][0]["state"] if found else None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def pids(self) -> dict[str, int]:
        found = self.status()
        assert found is not None
        return found["pids"]

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait(20)

    def lines(self) -> list[dict[str, Any]]:
        """Every line of the log; all of them are JSON."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def names(self) -> list[str]:
        return [line["event"] for line in self.lines()]

    def has_said(self, event: str, times: int = 1) -> None:
        wait_for(f"{event} x {times}", lambda: len(self.events(event)) >= times, 20)

    def ask(self, method: str, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body of a request on the control socket."""
        return exchange(socket.AF_UNIX, str(self.runtime_dir / "control.sock"), method, path)


def exchange(family: int, address: Any, method: str, path: str) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("localhost", timeout=10)
    with closing(connection), socket.socket(family, socket.SOCK_STREAM) as connection.sock:
        connection.sock.settimeout(10)
        connection.sock.connect(address)
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.headers.get_content_type(), answer.read()


def is_alive(pid: int) -> bool:
    """Running, or at least not yet a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
