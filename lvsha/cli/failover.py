"""`lvsha failover`: hand a virtual router over to another node, and see that it has it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from lvsha.errors import HostError
from lvsha.runtime import control

PAUSE = 0.05
"""Seconds between two looks at who is master."""


def fail_over(router: str, runtime_dir: Path) -> tuple[str, int]:
    """What to say and the exit code. HostError where nobody took over, or nobody answers."""
    _, answer = control.post(runtime_dir, f"/failover?{urlencode({'router': router})}")
    if answer["error"]:
        return answer["error"], answer.get("exit_code", 1)
    while True:
        found = _router(router, runtime_dir)
        if found is None or found["state"] in {"INIT", "FAULT"}:
            raise HostError(f"router {router}: this node takes no part any more: see lvsha status")
        if found["state"] == "MASTER":
            raise HostError(f"router {router}: no other node took over, this one is master again")
        if found["master"] is not None:
            return f"{router}: {found['master']} is master now", 0
        time.sleep(PAUSE)


def _router(name: str, runtime_dir: Path) -> dict[str, Any] | None:
    routers = control.get(runtime_dir, "/status")["virtual_routers"]
    return next((router for router in routers if router["name"] == name), None)
