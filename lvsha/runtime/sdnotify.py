"""sd_notify(3): tell systemd how the daemon fares. Silent where there is no systemd."""

from __future__ import annotations

import contextlib
import os
import socket
import time


def notify(*assignments: str) -> None:
    """Send `READY=1`, `STATUS=…`, `WATCHDOG=1` and the like; never fails, never waits."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    target = "\0" + path[1:] if path.startswith("@") else path
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.sendto("\n".join(assignments).encode(), target)


def reloading() -> None:
    """RELOADING=1 with the time systemd tells an old READY=1 from a new one by."""
    now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notify("RELOADING=1", f"MONOTONIC_USEC={now}")


def watchdog_interval() -> float | None:
    """Seconds between WATCHDOG=1 messages (half of WatchdogSec=), None where it is off."""
    text = os.environ.get("WATCHDOG_USEC", "")
    is_ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(text) / 2_000_000 if is_ours and text.isdigit() and int(text) else None
