"""`lvsha check` and `lvsha plan`: what the file asks of a machine, and what that would change."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lvsha.cli.describe import describe
from lvsha.config.reader import find_file
from lvsha.config.resolve import (
    Cluster,
    NodePlans,
    load,
    resolve,
    resolve_all,
    short_hostname,
)
from lvsha.core import desired, diff
from lvsha.core.codec import encode
from lvsha.core.health import Measured
from lvsha.core.ipvsadm.lines import save_line
from lvsha.core.plan import RealServer, VirtualService
from lvsha.director.ownership import Ownership
from lvsha.errors import HostError
from lvsha.kernel.ipvs import KernelIpvs
from lvsha.runtime import control


def find(file: Path | None) -> Path:
    """FILE, or the only one in /etc/lvsha."""
    return file if file is not None else find_file()


def read_cluster(file: Path | None) -> Cluster:
    """The cluster of FILE. ConfigError with all its mistakes."""
    return load(find(file))


def load_node(file: Path, node: str | None) -> NodePlans:
    """What FILE asks of this node."""
    return resolve(load(file), node)


def check_file(file: Path | None, node: str | None, *, as_json: bool) -> str:
    """The resolved plan of this node, or every node's where this machine is none of them."""
    cluster = read_cluster(file)
    is_one_of_them = node is not None or short_hostname() in cluster.nodes
    plans = (resolve(cluster, node),) if is_one_of_them else resolve_all(cluster)
    if as_json:
        return json.dumps([{"vrrp": encode(p.vrrp), "director": encode(p.director)} for p in plans])
    return "\n\n".join(describe(plan) for plan in plans)


def kernel_changes(file: Path | None, node: str | None, runtime_dir: Path) -> list[str]:
    """ipvsadm lines a start or reload would carry out now. Changes nothing."""
    plan = load_node(find(file), node).director
    owned = Ownership(runtime_dir).keys
    if not plan.services and not owned:
        return []
    ipvs = KernelIpvs.open()
    try:
        actual = ipvs.table()
    finally:
        ipvs.close()
    wanted = desired.build(plan, _judgement(runtime_dir), actual)
    return [save_line(command) for command in diff.commands(wanted, actual, owned)]


def _judgement(runtime_dir: Path) -> Callable[[VirtualService, RealServer], Measured]:
    """Health as the running daemon sees it; without one every server counts as up."""
    try:
        status = control.get(runtime_dir, "/status")
    except HostError:
        return lambda _service, _server: Measured.UP
    known = _health(status)
    return lambda service, server: known.get((service.name, str(server)), Measured.UNKNOWN)


def _health(status: dict[str, Any]) -> dict[tuple[str, str], Measured]:
    return {
        (service["name"], server["server"]): Measured(server["health"])
        for service in status["virtual_services"]
        for server in service["real_servers"]
    }
