"""Prometheus text (exposition format 0.0.4) from a status snapshot, in slices.

Labels are `service`, `server` and `router` only; a server's service is part of its identity.
Written by hand: a registry takes two seconds for 10,000 servers, on the loop that checks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from lvsha.runtime.slices import sliced

Row = dict[str, Any]
Value = Callable[[Row], float | None]
"""A figure of a router, service or server; None where there is none."""

_STATS = {
    "connections": "Connections scheduled",
    "in_packets": "Packets from clients",
    "out_packets": "Packets to clients (NAT only)",
    "in_bytes": "Bytes from clients",
    "out_bytes": "Bytes to clients (NAT only)",
}


def _field(name: str) -> Value:
    return lambda row: row[name]


def _counted(name: str) -> Value:
    return lambda row: row["stats"][name] if row["stats"] else None


ROUTER_FIGURES: dict[str, tuple[str, str, Value]] = {
    "router_master": (
        "gauge",
        "1 while this node holds the addresses",
        lambda row: row["state"] == "MASTER",
    ),
    "router_fault": (
        "gauge",
        "1 while the router is in FAULT",
        lambda row: row["state"] == "FAULT",
    ),
    "router_effective_priority": ("gauge", "Priority advertised", _field("effective_priority")),
}
SERVICE_FIGURES: dict[str, tuple[str, str, Value]] = {
    "service_up": ("gauge", "1 while the quorum holds", lambda row: row["state"] == "UP"),
    "service_alive_weight": ("gauge", "Sum of live servers' weights", _field("alive_weight")),
    "service_quorum": ("gauge", "Sum of weights wanted", _field("quorum")),
    "service_active": ("gauge", "1 while it is to be in the table", _field("active")),
    "service_tier": ("gauge", "Tier that serves; 0 is the real servers", _field("tier")),
    "service_panic": ("gauge", "1 while too many are down to be believed", _field("panic")),
    **{f"service_{name}_total": ("counter", text, _counted(name)) for name, text in _STATS.items()},
}
SERVER_FIGURES: dict[str, tuple[str, str, Value]] = {
    "server_up": ("gauge", "1 while the checks pass", lambda row: row["health"] == "UP"),
    "server_weight": ("gauge", "Weight in the file", _field("weight")),
    "server_effective_weight": ("gauge", "Weight in the kernel now", _field("effective_weight")),
    "server_active_connections": (
        "gauge",
        "Connections in an active state",
        _field("active_connections"),
    ),
    "server_inactive_connections": (
        "gauge",
        "Connections in any other state",
        _field("inactive_connections"),
    ),
    "server_refused": (
        "gauge",
        "1 while the kernel refuses it",
        lambda row: row["kernel_error"] is not None,
    ),
    **{f"server_{name}_total": ("counter", text, _counted(name)) for name, text in _STATS.items()},
}


async def render(found: Mapping[str, Any], own: Mapping[str, tuple[str, str, float]]) -> bytes:
    """The exposition. `own` is the director's figures: name → (kind, help, value)."""
    return "".join([text async for text in sliced(_texts(found, own))]).encode()


def _texts(found: Mapping[str, Any], own: Mapping[str, tuple[str, str, float]]) -> Iterator[str]:
    """The text in portions, each quickly made."""
    for name, (kind, text, value) in own.items():
        yield f"{_head(name, kind, text)}lvsha_{name} {_number(value)}\n"
    routers, services = found["virtual_routers"], found["virtual_services"]
    for name, (kind, text, value_of) in (ROUTER_FIGURES | _vrrp_counters(routers)).items():
        yield _head(name, kind, text)
        yield _samples(name, value_of, ((_label("router", row["name"]), row) for row in routers))
    for name, (kind, text, value_of) in SERVICE_FIGURES.items():
        yield _head(name, kind, text)
        for row in services:
            yield _samples(name, value_of, [(_label("service", row["name"]), row)])
    servers = []
    for row in services:
        servers.append(tuple(_servers(row)))
        yield ""
    for name, (kind, text, value_of) in SERVER_FIGURES.items():
        yield _head(name, kind, text)
        for rows in servers:
            yield _samples(name, value_of, rows)


def _vrrp_counters(routers: Iterable[Row]) -> dict[str, tuple[str, str, Value]]:
    names = sorted({name for row in routers for name in row["counters"]})
    return {
        f"vrrp_{name}_total": ("counter", f"VRRP: {name}", _vrrp_counter(name)) for name in names
    }


def _vrrp_counter(name: str) -> Value:
    return lambda row: row["counters"].get(name, 0)


def _servers(service: Row) -> Iterator[tuple[str, Row]]:
    of_service = _label("service", service["name"])
    for row in chain(service["real_servers"], *service["backups"]):
        yield f"{of_service},{_label('server', row['server'])}", row


def _samples(name: str, value_of: Value, rows: Iterable[tuple[str, Row]]) -> str:
    return "".join(
        [
            f"lvsha_{name}{{{labels}}} {_number(value)}\n"
            for labels, row in rows
            if (value := value_of(row)) is not None
        ]
    )


def _head(name: str, kind: str, text: str) -> str:
    return f"# HELP lvsha_{name} {text}\n# TYPE lvsha_{name} {kind}\n"


def _label(name: str, value: str) -> str:
    text = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{name}="{text}"'


def _number(value: float) -> str:
    return repr(float(value)) if isinstance(value, float) else str(int(value))
