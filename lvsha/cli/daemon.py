"""`lvsha run`: what must hold is checked first, then the supervisor takes over."""

from __future__ import annotations

import asyncio
from pathlib import Path

from lvsha.cli.main import RUNTIME_ROOT
from lvsha.cli.plans import find, load_node
from lvsha.kernel.modules import load_ipvs
from lvsha.runtime import logs
from lvsha.supervisor import preflight
from lvsha.supervisor.process import Supervisor


def run_daemon(file: Path | None, node: str | None, runtime_dir: Path | None) -> None:
    """Run until SIGTERM. Raises LvshaError when the file or this machine is not fit for it."""
    found = find(file)
    plans = load_node(found, node)
    preflight.require_root("lvsha run")
    preflight.require_interfaces(plans.vrrp)
    directory = runtime_dir or RUNTIME_ROOT / plans.director.cluster
    with preflight.lock(directory):
        if plans.director.services:
            load_ipvs({service.service.scheduler for service in plans.director.services})
        context = {"cluster": plans.director.cluster, "node": plans.director.node}
        listener = logs.start(context)
        try:
            supervisor = Supervisor(plans, lambda: load_node(found, node), directory)
            asyncio.run(supervisor.run())
        finally:
            listener.stop()
