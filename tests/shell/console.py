"""The `lvsha` command as a person runs it: words in, exit code and both streams out."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

LVSHA = (sys.executable, "-m", "lvsha")
NOBODY = (
    *("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"),
    *("--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search", "--"),
)
"""Nobody, who may yet read this project wherever root keeps it."""


ROUTERS_ONLY = """\
cluster: web
nodes:
  lb1: {address: 192.168.1.11, interface: eth0, priority: 150}
  lb2: {address: 192.168.1.12, interface: eth0, priority: 100}
virtual_routers:
  - {name: web, virtual_router_id: 51, addresses: [192.168.1.100/32], advertisement_interval: 100ms}
"""
WITH_SERVICE = (
    ROUTERS_ONLY
    + """\
virtual_services:
  - name: http
    address: 192.168.1.100
    port: 80
    forwarding: dr
    check: {type: tcp}
    real_servers: [192.168.1.21, 192.168.1.22]
"""
)


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


def lvsha(*words: str | Path, as_nobody: bool = False, **environment: str) -> Said:
    """Run it to its end. As nobody, it may do nothing to the network of this machine."""
    argv = [*(NOBODY if as_nobody else ()), *LVSHA, *map(str, words)]
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
    )
    return Said(done.returncode, done.stdout, done.stderr)
