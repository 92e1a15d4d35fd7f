"""Prometheus text from a status snapshot: rendered in a thread, off the loop that checks.

Labels are `service`, `server` and `router` only; a server's service is part of its identity.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

_STATS = (
    ("connections", "Connections scheduled"),
    ("in_packets", "Packets from clients"),
    ("out_packets", "Packets to clients (NAT only)"),
    ("in_bytes", "Bytes from clients"),
    ("out_bytes", "Bytes to clients (NAT only)"),
)
_SERVER_GAUGES = (
    ("weight", "Weight in the file"),
    ("effective_weight", "Weight in the kernel now"),
    ("active_connections", "Connections in an active state"),
    ("inactive_connections", "Connections in any other state"),
)


def render(snapshot: Mapping[str, Any], own: Mapping[str, tuple[str, str, float]]) -> bytes:
    """The exposition. `own` is the director's figures: name → (kind, help, value)."""
    registry = CollectorRegistry()
    registry.register(_Snapshot(snapshot, own))
    return generate_latest(registry)


class _Snapshot(Collector):
    def __init__(
        self, snapshot: Mapping[str, Any], own: Mapping[str, tuple[str, str, float]]
    ) -> None:
        self._snapshot = snapshot
        self._own = own

    def describe(self) -> Iterable[Metric]:
        return ()  # nothing is known before the first collection

    def collect(self) -> Iterator[Metric]:
        for name, (kind, text, value) in self._own.items():
            yield _family(kind, name, text, [((), value)], ())
        yield from _routers(self._snapshot["virtual_routers"])
        yield from _services(self._snapshot["virtual_services"])
        yield from _servers(self._snapshot["virtual_services"])


def _routers(routers: list[dict[str, Any]]) -> Iterator[Metric]:
    labels = ("router",)
    for name, text, value in (
        ("router_master", "1 while this node holds the addresses", _is("MASTER")),
        ("router_fault", "1 while the router is in FAULT", _is("FAULT")),
        ("router_effective_priority", "Priority advertised", lambda r: r["effective_priority"]),
    ):
        yield _family("gauge", name, text, [((r["name"],), value(r)) for r in routers], labels)
    for counter in sorted({name for router in routers for name in router["counters"]}):
        samples = [((r["name"],), r["counters"].get(counter, 0)) for r in routers]
        yield _family("counter", f"vrrp_{counter}", f"VRRP: {counter}", samples, labels)


def _services(services: list[dict[str, Any]]) -> Iterator[Metric]:
    labels = ("service",)
    up = [((s["name"],), float(s["state"] == "UP")) for s in services]
    yield _family("gauge", "service_up", "1 while the quorum holds", up, labels)
    alive = [((s["name"],), s["alive_weight"]) for s in services]
    yield _family("gauge", "service_alive_weight", "Sum of live servers' weights", alive, labels)
    for name, text in _STATS:
        samples = [((s["name"],), s["stats"][name]) for s in services if s["stats"]]
        yield _family("counter", f"service_{name}", text, samples, labels)


def _servers(services: list[dict[str, Any]]) -> Iterator[Metric]:
    labels = ("service", "server")
    pairs = [(s["name"], server) for s in services for server in s["real_servers"]]
    up = [((name, r["server"]), float(r["health"] == "UP")) for name, r in pairs]
    yield _family("gauge", "server_up", "1 while the checks pass", up, labels)
    for name, text in _SERVER_GAUGES:
        samples = [((service, r["server"]), r[name]) for service, r in pairs]
        yield _family("gauge", f"server_{name}", text, samples, labels)
    refused = [((name, r["server"]), float(r["kernel_error"] is not None)) for name, r in pairs]
    yield _family("gauge", "server_refused", "1 while the kernel refuses it", refused, labels)
    for name, text in _STATS:
        samples = [((service, r["server"]), r["stats"][name]) for service, r in pairs if r["stats"]]
        yield _family("counter", f"server_{name}", text, samples, labels)


def _is(state: str) -> Any:
    return lambda router: float(router["state"] == state)


def _family(
    kind: str,
    name: str,
    text: str,
    samples: Iterable[tuple[tuple[str, ...], float]],
    labels: tuple[str, ...],
) -> Metric:
    of_kind = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
    family = of_kind(f"lvsha_{name}", text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family
