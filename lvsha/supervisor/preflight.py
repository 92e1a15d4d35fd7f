"""What must hold on this machine before the daemon starts: each failure one clear line."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Collection
from pathlib import Path
from typing import TextIO

from lvsha.core.plan import VrrpPlan
from lvsha.errors import HostError
from lvsha.runtime.control import LOCK_NAME, socket_path

_CAP_NET_ADMIN, _CAP_NET_RAW = 12, 13  # include/uapi/linux/capability.h

_SOCKET_PATH_BYTES = 107
"""Of sun_path, its final NUL not counted: unix(7)."""

_TRIES, _PAUSE = 5, 0.02
"""`lvsha status` looks at the lock for an instant: that is no daemon."""


def require_root(what: str) -> None:
    """HostError unless this process may change the network."""
    needed = 1 << _CAP_NET_ADMIN | 1 << _CAP_NET_RAW
    if _effective_capabilities() & needed != needed:
        raise HostError(f"{what} must be root, or have CAP_NET_ADMIN and CAP_NET_RAW")


def require_interfaces(plan: VrrpPlan, known: Collection[str] = ()) -> None:
    """HostError for the first interface of a virtual router that is not on this machine.

    `known` ones are in use already: when such a one goes away, its routers are in FAULT.
    """
    present = {name for _, name in socket.if_nameindex()} | set(known)
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
    file = _open(runtime_dir)
    if not _locked(file):
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise HostError(f"a daemon is already running on {runtime_dir} (process {holder})")
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def _open(runtime_dir: Path) -> TextIO:
    if len(os.fsencode(socket_path(runtime_dir).absolute())) > _SOCKET_PATH_BYTES:
        raise HostError(f"runtime directory {runtime_dir}: too long a path for a Unix socket")
    try:
        runtime_dir.parent.mkdir(parents=True, exist_ok=True)
        runtime_dir.mkdir(mode=0o755, exist_ok=True)
        return (runtime_dir / LOCK_NAME).open("a+")
    except FileExistsError as error:
        raise HostError(f"runtime directory {error.filename}: is not a directory") from None
    except OSError as error:
        raise HostError(f"runtime directory {runtime_dir}: {error.strerror}") from None


def _locked(file: TextIO) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(_PAUSE)
        else:
            return True
    return False


def _effective_capabilities() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0
