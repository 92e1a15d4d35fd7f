"""What must hold on this machine before the daemon starts: each failure one clear line."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path
from typing import TextIO

from lvsha.core.plan import VrrpPlan
from lvsha.errors import HostError

_CAP_NET_ADMIN, _CAP_NET_RAW = 12, 13  # include/uapi/linux/capability.h


def require_root(what: str) -> None:
    """HostError unless this process may change the network."""
    needed = 1 << _CAP_NET_ADMIN | 1 << _CAP_NET_RAW
    if _effective_capabilities() & needed != needed:
        raise HostError(f"{what} must be root, or have CAP_NET_ADMIN and CAP_NET_RAW")


def require_interfaces(plan: VrrpPlan) -> None:
    """HostError for the first interface of a virtual router that is not on this machine."""
    present = {name for _, name in socket.if_nameindex()}
    for router in plan.routers:
        if router.interface not in present:
            raise HostError(
                f"interface {router.interface} of virtual router {router.name} "
                f"does not exist on this machine"
            )


def lock(runtime_dir: Path) -> TextIO:
    """Make the runtime directory ours for as long as the returned file is open.

    HostError when it can't be made, or another daemon has it.
    """
    try:
        runtime_dir.mkdir(parents=True, exist_ok=True)
        file = (runtime_dir / "lock").open("a+")
    except OSError as error:
        raise HostError(f"runtime directory {runtime_dir}: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise HostError(
            f"a daemon is already running on {runtime_dir} (process {holder})"
        ) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def _effective_capabilities() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0
