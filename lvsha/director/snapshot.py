"""The status of a director as one JSON-ready value (contract: `lvsha status --json`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lvsha import __version__
from lvsha.core.health import Admin
from lvsha.core.messages import Processes, RouterStatus, VrrpStatus
from lvsha.core.plan import DirectorPlan, RealServer, VirtualService
from lvsha.core.types import DestinationKey, DestinationStatus, FwmarkKey, Key, Stats
from lvsha.director.board import Board
from lvsha.director.counters import Reading
from lvsha.director.services import Services
from lvsha.director.settings import Setting
from lvsha.runtime.logs import timestamp

Refused = Mapping[Key, Mapping[DestinationKey | None, str]]


def build(
    *,
    plan: DirectorPlan,
    generation: int,
    ready: bool,
    processes: Processes,
    vrrp: VrrpStatus,
    board: Board,
    services: Services,
    reading: Reading,
    refused: Refused,
    settings: Sequence[Setting],
) -> dict[str, Any]:
    """Everything at one moment. `reading` is what the kernel counted, `refused` what it refused."""
    return {
        "cluster": plan.cluster,
        "node": plan.node,
        "version": __version__,
        "generation": generation,
        "ready": ready,
        "pids": {
            "supervisor": processes.supervisor,
            "vrrp": processes.vrrp,
            "director": processes.director,
        },
        "virtual_routers": [_router(router) for router in vrrp.routers],
        "virtual_services": [
            _service(service, board, services, reading, refused.get(service.key, {}))
            for service in plan.services
        ],
        "settings": [asdict(setting) for setting in settings],
    }


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
        "faults": list(router.faults),
        "counters": dict(router.counters),
    }


def _service(
    service: VirtualService,
    board: Board,
    services: Services,
    reading: Reading,
    refused: Mapping[DestinationKey | None, str],
) -> dict[str, Any]:
    key = service.key
    status = reading.services.get(key)
    destinations = reading.destinations.get(key, {})
    return {
        "name": service.name,
        **_identity(key),
        "state": "UP" if services.is_up(service) else "DOWN",
        "scheduler": service.service.scheduler,
        "forwarding": _forwarding(service),
        "quorum": service.quorum,
        "alive_weight": services.alive_weight(service),
        "kernel_error": refused.get(None),
        "stats": _stats(status.stats) if status else None,
        "real_servers": [
            _server(server, board, destinations.get(server.key), refused.get(server.key))
            for server in service.real_servers
        ],
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


def _server(
    server: RealServer, board: Board, counted: DestinationStatus | None, refused: str | None
) -> dict[str, Any]:
    health = board.health_of(server)
    return {
        "server": str(server),
        "address": str(server.address),
        "port": server.port,
        "forwarding": server.forwarding.name.lower(),
        "health": health.measured.value,
        "admin": Admin.ENABLED.value,
        "weight": server.weight,
        "effective_weight": counted.destination.weight if counted else 0,
        "active_connections": counted.active_connections if counted else 0,
        "inactive_connections": counted.inactive_connections if counted else 0,
        "since": timestamp(health.since) if health.since else None,
        "message": health.message,
        "kernel_error": refused,
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
