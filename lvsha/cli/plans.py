"""`lvsha check` and `lvsha plan`: what the file asks of a machine, and what that would change."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Set
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from lvsha.cli.describe import describe
from lvsha.cli.key_files import unseen_keys
from lvsha.cli.outlook import outlook
from lvsha.config.reader import find_file, read
from lvsha.config.resolve import (
    Cluster,
    NodePlans,
    load,
    resolve,
    resolve_all,
    short_hostname,
)
from lvsha.core import balance, desired, diff
from lvsha.core.balance import Role, Standing
from lvsha.core.codec import encode
from lvsha.core.ipvsadm.lines import save_line
from lvsha.core.places import with_places
from lvsha.core.plan import DirectorPlan, RealServer, VirtualService
from lvsha.core.types import DestinationKey, IpvsTable, Key
from lvsha.director.ownership import Ownership
from lvsha.director.settings import complete
from lvsha.errors import HostError
from lvsha.kernel.ipvs import KernelIpvs
from lvsha.kernel.ports import Ipvs
from lvsha.runtime import control
from lvsha.runtime.control import RUNTIME_ROOT
from lvsha.supervisor.preflight import require_root


def find(file: Path | None) -> Path:
    """FILE, or the only one in /etc/lvsha."""
    return file if file is not None else find_file()


def read_cluster(file: Path | None) -> Cluster:
    """The cluster of FILE. ConfigError with all its mistakes."""
    return load(find(file))


def cluster_name(file: Path | None) -> str:
    """What FILE calls its cluster, its other mistakes left aside. ConfigError where it does not."""
    found = find(file)
    name = read(found).data.get("cluster")
    return name if isinstance(name, str) else load(found).name


def load_node(file: Path, node: str | None) -> NodePlans:
    """What FILE asks of this node."""
    return resolve(load(file), node)


def check_file(file: Path | None, node: str | None, *, as_json: bool) -> str:
    """The resolved plan of this node, or every node's where this machine is none of them."""
    found = find(file)
    cluster = load(found)
    is_one_of_them = node is not None or short_hostname() in cluster.nodes
    plans = (resolve(cluster, node),) if is_one_of_them else resolve_all(cluster)
    notes = unseen_keys(found, plans[0].vrrp) if is_one_of_them else ()
    if as_json:
        return json.dumps(
            [
                {"vrrp": encode(plan.vrrp.without_secrets()), "director": encode(plan.director)}
                for plan in plans
            ]
        )
    return "\n\n".join([*(describe(plan) for plan in plans), *notes])


def kernel_changes(file: Path | None, node: str | None, runtime_dir: Path | None) -> list[str]:
    """ipvsadm lines a start or reload would carry out now. Changes nothing."""
    plan = load_node(find(file), node).director
    directory = runtime_dir or RUNTIME_ROOT / plan.cluster
    owned = Ownership(directory).keys
    if not plan.services and not owned:
        return []
    require_root("lvsha plan")
    ipvs = KernelIpvs.open()
    try:
        return list(changes(plan, owned, ipvs, _view(directory)))
    finally:
        ipvs.close()


def changes(plan: DirectorPlan, owned: Set[Key], ipvs: Ipvs, view: desired.View) -> Iterator[str]:
    """The difference between a plan and a kernel, as ipvsadm would be told.

    What is no longer in the plan drains first.
    """
    if plan.timeouts:
        kept = ipvs.timeouts()
        wanted = complete(plan.timeouts, kept)
        if wanted != kept:
            yield f"--set {wanted.tcp} {wanted.tcp_fin} {wanted.udp}"
    actual = ipvs.table()
    view = replace(view, leaving=lambda service: _leaving(service, actual))
    commands = diff.commands(desired.build(plan, view, actual), actual, owned)
    for command in with_places(commands, {each.key: each for each in plan.services}):
        yield save_line(command)


def _leaving(service: VirtualService, actual: IpvsTable) -> Collection[DestinationKey]:
    if not balance.drains(service) or service.key not in actual:
        return ()
    return actual[service.key].destinations.keys() - {each.key for each in service.servers}


def _view(runtime_dir: Path) -> desired.View:
    """Things as the running daemon sees them; without one every server counts as up, and what
    operators said of it holds."""
    try:
        status = control.get(runtime_dir, "/status")
    except HostError:
        if control.is_locked(runtime_dir):
            raise  # there is a daemon, and it knows better than that all are up
        return outlook(runtime_dir)
    inactive = {each["name"] for each in status["virtual_services"] if not each["active"]}
    known = {
        (service["name"], server["server"]): server
        for service in status["virtual_services"]
        for server in (*service["real_servers"], *chain(*service["backups"]))
    }

    def judge(service: VirtualService, server: RealServer) -> Standing:
        """A server the daemon has not heard of is taken up, unless it will be checked first."""
        found = known.get((service.name, str(server)))
        if found is not None:
            return _standing(server, found)
        standing = desired.all_up(service, server)
        waits = server.checks and standing.role is Role.SERVE
        return replace(standing, role=Role.KEEP) if waits else standing

    return desired.View(judge, lambda service: service.name not in inactive)


def _standing(server: RealServer, found: dict[str, Any]) -> Standing:
    """A new weight in the file counts where the daemon goes by the file's."""
    goes_by_file = found["wanted_weight"] == found["weight"]
    weight = server.weight if goes_by_file else found["wanted_weight"]
    return Standing(Role(found["role"]), weight)
