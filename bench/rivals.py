"""lvsha and keepalived told the same: these servers, checked so, behind one virtual service.

`rise` 1 and `fall` 2 are keepalived's one success and its one retry; its `delay_before_retry` is
our interval, which it counts from the end of an attempt, we from its beginning.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from bench import clusters
from bench.faulty import PORT
from lvsha.core.types import Protocol, ServiceKey
from lvsha.lab.topology import Namespace

VIP = IPv4Address("192.168.1.100")
SERVICE = ServiceKey(Protocol.TCP, VIP, PORT)
INTERVAL = 1.0
TIMEOUT = 1.0

Start = Callable[[Namespace, Path, str, Sequence[str]], subprocess.Popen[bytes]]


@dataclass(frozen=True, slots=True)
class Rival:
    """`prefix` begins its servers' addresses; `start` takes machine, folder, check, addresses."""

    name: str
    prefix: str
    start: Start

    def addresses(self, count: int) -> list[str]:
        return [f"{self.prefix}.{n // 200}.{n % 200 + 1}" for n in range(count)]


def start_lvsha(
    machine: Namespace, folder: Path, check: str, addresses: Sequence[str]
) -> subprocess.Popen[bytes]:
    file = folder / f"{machine.name}.yaml"
    pace = f"interval: {INTERVAL}, timeout: {TIMEOUT}, rise: 1, fall: 2"
    file.write_text(
        f"{clusters.HEAD}virtual_services:\n"
        f"  - {{name: web, address: {VIP}, port: {PORT}, forwarding: dr, "
        f"check: {{type: {check}, {pace}}}, real_servers: [{', '.join(addresses)}]}}\n"
    )
    words = ["run", str(file), "--node", clusters.NODE, "--runtime-dir", str(folder / "run")]
    return _start(machine, folder, [sys.executable, "-m", "lvsha", *words])


def start_keepalived(
    machine: Namespace, folder: Path, check: str, addresses: Sequence[str]
) -> subprocess.Popen[bytes]:
    file = folder / f"{machine.name}.conf"
    file.write_text(
        f"virtual_server {VIP} {PORT} {{\n"
        f"delay_loop {INTERVAL}\nlvs_sched wlc\nlvs_method DR\nprotocol TCP\n"
        + "".join(_keepalived_server(address, check) for address in addresses)
        + "}\n"
    )
    files = ["-f", str(file), "-p", str(folder / "pid"), "-c", str(folder / "checker-pid")]
    return _start(machine, folder, ["keepalived", "--check", "-n", "-l", *files])


def _keepalived_server(address: str, check: str) -> str:
    pace = f"connect_timeout {TIMEOUT}\nretry 1\ndelay_before_retry {INTERVAL}\n"
    asked = "fast_recovery\nurl {\npath /\nstatus_code 200-299\n}\n" if check == "http" else ""
    kind = {"http": "HTTP_GET", "tcp": "TCP_CHECK"}[check]
    return f"real_server {address} {PORT} {{\n{kind} {{\n{asked}{pace}}}\n}}\n"


def _start(machine: Namespace, folder: Path, argv: list[str]) -> subprocess.Popen[bytes]:
    with (folder / f"{machine.name}.log").open("wb") as log:
        return machine.start(*argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


RIVALS = (
    Rival("lvsha", "10.1", start_lvsha),
    Rival("keepalived", "10.2", start_keepalived),
)
