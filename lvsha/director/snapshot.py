"""The status of a director as one JSON-ready value (contract: `lvsha status --json`)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from lvsha import __version__
from lvsha.core.health import Health
from lvsha.core.messages import Processes, RouterStatus, VrrpStatus
from lvsha.core.plan import DirectorPlan, RealServer, VirtualService
from lvsha.core.types import (
    Destination,
    DestinationKey,
    DestinationStatus,
    FwmarkKey,
    IpvsTable,
    Key,
    Stats,
)
from lvsha.director.board import Board
from lvsha.director.counters import Reading
from lvsha.director.services import Services
from lvsha.director.settings import Setting
from lvsha.runtime.logs import timestamp
from lvsha.runtime.slices import sliced

Refused = Mapping[Key, Mapping[DestinationKey | None, str]]


@dataclass(frozen=True, slots=True)
class Kernel:
    """What the kernel's table holds, what it counted, and what it refused with its words."""

    table: IpvsTable = field(default_factory=dict)
    reading: Reading = field(default=Reading())
    refused: Refused = field(default_factory=dict)


def build(
    *,
    plan: DirectorPlan,
    generation: int,
    ready: bool,
    processes: Processes,
    vrrp: VrrpStatus,
    suspect: bool,
    services: Sequence[dict[str, Any]],
    settings: Sequence[Setting],
) -> dict[str, Any]:
    """The whole. `suspect`: this director is more likely at fault than most of its targets;
    `services` as `service` says each of them."""
    return {
        "cluster": plan.cluster,
        "node": plan.node,
        "version": __version__,
        "generation": generation,
        "ready": ready,
        "suspect": suspect,
        "pids": {
            "supervisor": processes.supervisor,
            "vrrp": processes.vrrp,
            "director": processes.director,
        },
        "virtual_routers": [_router(router) for router in vrrp.routers],
        "virtual_services": list(services),
        "settings": [asdict(setting) for setting in settings],
    }


async def to_json(found: Mapping[str, Any]) -> bytes:
    """The same as one JSON text, in slices: 10,000 servers take a while."""
    head = {name: value for name, value in found.items() if name != "virtual_services"}
    services = [json.dumps(each) async for each in sliced(found["virtual_services"])]
    return f'{json.dumps(head)[:-1]}, "virtual_services": [{", ".join(services)}]}}'.encode()


def _router(router: RouterStatus) -> dict[str, Any]:
    return {
        "name": router.name,
        "virtual_router_id": router.virtual_router_id,
        "interface": router.interface,
        "state": router.state,
        "priority": router.priority,
        "effective_priority": router.effective_priority,
        "master": router.master,
        "since": timestamp(router.since),
        "addresses": list(router.addresses),
        "excluded_addresses": list(router.excluded_addresses),
        "faults": list(router.faults),
        "counters": dict(router.counters),
        "peers": [asdict(peer) for peer in router.peers],
        "aside": router.aside,
        "hook": None if router.hook is None else asdict(router.hook),
    }


def service(
    service: VirtualService, board: Board, services: Services, kernel: Kernel
) -> dict[str, Any]:
    """One service with its servers, as things are now."""
    key = service.key
    status = kernel.reading.services.get(key)
    counted = kernel.reading.destinations.get(key, {})
    refused = kernel.refused.get(key, {})
    held = kernel.table[key].destinations if key in kernel.table else {}
    state = services.state(service)

    def rows(tier: Sequence[RealServer]) -> list[dict[str, Any]]:
        return [
            {
                **_server(server, board.health_of(service, server)),
                **_standing(service, server, services),
                **_in_kernel(held.get(server.key), counted.get(server.key)),
                "kernel_error": refused.get(server.key),
            }
            for server in tier
        ]

    return {
        "name": service.name,
        **_identity(key),
        "state": "UP" if state.quorum_held else "DOWN",
        "active": services.is_active(service),
        "tier": state.tier,
        "panic": state.panic,
        "scheduler": service.service.scheduler,
        "forwarding": _forwarding(service),
        "quorum": service.quorum,
        "hysteresis": service.hysteresis,
        "alive_weight": services.alive_weight(service),
        "kernel_error": refused.get(None),
        "stats": _stats(status.stats) if status else None,
        "real_servers": rows(service.real_servers),
        "backups": [rows(tier) for tier in service.backups],
        "leaving": [str(destination) for destination in services.leaving(service)],
    }


def _identity(key: Key) -> dict[str, Any]:
    if isinstance(key, FwmarkKey):
        return {"protocol": None, "address": None, "port": None, "fwmark": key.mark}
    return {
        "protocol": key.protocol.name.lower(),
        "address": str(key.address),
        "port": key.port,
        "fwmark": None,
    }


def _server(server: RealServer, health: Health) -> dict[str, Any]:
    return {
        "server": str(server),
        "address": str(server.address),
        "port": server.port,
        "forwarding": server.forwarding.name.lower(),
        "health": health.measured.value,
        "weight": server.weight,
        "since": timestamp(health.since) if health.since else None,
        "message": health.message,
    }


def _standing(service: VirtualService, server: RealServer, services: Services) -> dict[str, Any]:
    standing = services.standing(service, server)
    return {
        "admin": services.admin(service, server).value,
        "role": standing.role.value,
        "wanted_weight": standing.weight,
    }


def _in_kernel(held: Destination | None, counted: DestinationStatus | None) -> dict[str, Any]:
    return {
        "effective_weight": held.weight if held else 0,
        "active_connections": counted.active_connections if counted else 0,
        "inactive_connections": counted.inactive_connections if counted else 0,
        "stats": _stats(counted.stats) if counted else None,
    }


def _forwarding(service: VirtualService) -> str | None:
    """The service's one method, or `mixed` where its servers differ."""
    methods = {server.forwarding.name.lower() for server in service.real_servers}
    return methods.pop() if len(methods) == 1 else "mixed" if methods else None


def _stats(stats: Stats) -> dict[str, int]:
    return {
        "connections": stats.connections,
        "in_packets": stats.in_packets,
        "out_packets": stats.out_packets,
        "in_bytes": stats.in_bytes,
        "out_bytes": stats.out_bytes,
    }
