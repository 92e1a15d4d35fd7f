"""`lvsha run`: what must hold is checked first, then the supervisor takes over."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import replace
from pathlib import Path

from lvsha.cli.key_files import read_keys
from lvsha.cli.plans import find, load_node
from lvsha.config.resolve import NodePlans
from lvsha.core.through import detour_services
from lvsha.errors import LvshaError, UsageError
from lvsha.kernel.modules import load_ipvs
from lvsha.runtime import logs
from lvsha.runtime.control import RUNTIME_ROOT
from lvsha.supervisor import preflight
from lvsha.supervisor.plans import Plans
from lvsha.supervisor.process import Supervisor


def run_daemon(file: Path | None, node: str | None, runtime_dir: Path | None) -> None:
    """Run until SIGTERM. Raises LvshaError when the file or this machine is not fit for it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # nothing to end in order yet
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the file is being read anyway
    found = find(file)
    plans = load_node(found, node)
    preflight.require_root("lvsha run")
    preflight.require_interfaces(plans.vrrp)
    plans = replace(plans, vrrp=read_keys(found, plans.vrrp))
    directory = runtime_dir or RUNTIME_ROOT / plans.director.cluster
    with preflight.lock(directory):
        _load_modules(plans)
        _supervise(found, plans, directory)


def _supervise(file: Path, plans: NodePlans, directory: Path) -> None:
    context = {"cluster": plans.director.cluster, "node": plans.director.node}
    writer = logs.start(context)
    try:
        asyncio.run(_run(file, plans, directory))
    except LvshaError:
        raise
    except Exception as error:  # noqa: BLE001 - said once, in the log's own form
        logs.last_words(context, "supervisor", error)
        sys.exit(1)
    finally:
        writer.stop()


async def _run(file: Path, plans: NodePlans, directory: Path) -> None:
    await Supervisor(plans, lambda running: _reload(file, running), directory).run()


def _reload(file: Path, running: Plans) -> NodePlans:
    """The file anew, for a daemon that is `running`. Raises LvshaError, as at the start."""
    plans = load_node(file, running.director.node)
    new, old = plans.director.cluster, running.director.cluster
    if new != old:
        raise UsageError(f"{file}: the cluster is called {new}, but {old} is running: restart it")
    preflight.require_interfaces(plans.vrrp, {vr.interface for vr in running.vrrp.routers})
    _load_modules(plans)
    return replace(plans, vrrp=read_keys(file, plans.vrrp))


def _load_modules(plans: NodePlans) -> None:
    if plans.director.services:
        services = plans.director.services
        everything = (*services, *detour_services(services))
        load_ipvs({service.service.scheduler for service in everything})
