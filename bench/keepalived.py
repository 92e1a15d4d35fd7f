"""A real keepalived in a namespace of the lab: VRRP alone, without its detailed log."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from ipaddress import IPv4Address
from pathlib import Path

from lvsha.lab.nodes import wait_for
from lvsha.lab.topology import Namespace


class KeepalivedNode:
    """`folder` keeps its configuration, log and pids."""

    def __init__(self, machine: Namespace, text: str, folder: Path) -> None:
        self.machine = machine
        self._name = folder / f"{machine.path.name}-keepalived"
        self._file(".conf").write_text(text)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def vrrp(self) -> int:
        """The process that does VRRP."""
        return int(wait_for("keepalived's pid", self._read_pid))

    def start(self) -> None:
        """A /run of its own: its pid files have fixed places there."""
        files = f"-f {self._file('.conf')} -p {self._file('.pid')} -r {self._file('.vrrp')}"
        script = f"mount -t tmpfs none /run && exec keepalived -P -n -l {files}"
        with self._file(".log").open("ab") as log:
            self._process = self.machine.start("sh", "-c", script, stdout=log, stderr=log)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(30)

    def die(self) -> None:
        """Every process killed, the link down."""
        self.machine.kill()
        self.machine.link(up=False)
        for kind in (".pid", ".vrrp"):
            self._file(kind).unlink(missing_ok=True)

    def _file(self, kind: str) -> Path:
        return self._name.with_suffix(kind)

    def _read_pid(self) -> str:
        file = self._file(".vrrp")
        return file.read_text().strip() if file.exists() else ""


def configuration(
    routers: Iterable[tuple[int, IPv4Address]], priority: int, interval: float, option: str = ""
) -> str:
    """Of version 3, one address a router; `option` is a global one."""
    return f"global_defs {{\nvrrp_version 3\n{option}\n}}\n" + "".join(
        f"vrrp_instance r{number} {{\ninterface eth0\nvirtual_router_id {number}\n"
        f"priority {priority}\nadvert_int {interval:g}\nvirtual_ipaddress {{\n{address}\n}}\n}}\n"
        for number, address in routers
    )
