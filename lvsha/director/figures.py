"""The director's figures about itself, the honest ones included: how late, how often wrong."""

from __future__ import annotations

from collections.abc import Mapping

from lvsha.core.messages import VrrpStatus
from lvsha.director.checker import Checkers
from lvsha.director.reconciler import Reconciler

Figure = tuple[str, str, float]
"""Kind, help, value."""


def own_figures(
    generation: int,
    ready: bool,
    checkers: Checkers,
    table: Reconciler | None,
    vrrp: VrrpStatus,
) -> Mapping[str, Figure]:
    """Name → figure, without the prefix."""
    counters = checkers.counters
    figures: dict[str, Figure] = {
        "config_generation": ("gauge", "Plans taken since the start", generation),
        "ready": ("gauge", "1 once every check has decided", ready),
        "loop_lag_seconds": ("gauge", "Latest lateness of the event loop", checkers.witness.lag),
        "checks_passed": ("counter", "Probes that passed", counters.passed),
        "checks_failed": ("counter", "Probes that failed", counters.failed),
        "checks_inconclusive": (
            "counter",
            "Probes that said nothing about their target",
            counters.inconclusive,
        ),
        "check_lateness_p99_seconds": (
            "gauge",
            "Lateness of probe starts, 99th percentile",
            counters.lateness_quantile(0.99),
        ),
        "checks_under_way": ("gauge", "Probes in the air", checkers.under_way),
    }
    if table is not None:
        figures["reconcile_errors"] = ("counter", "Refusals of the kernel", table.errors_total)
        figures["drifts"] = ("counter", "Services found changed and repaired", table.drifts_total)
    for quantile, name in (("0.5", "p50"), ("0.99", "p99"), ("1", "max")):
        if quantile in vrrp.lateness:
            text = f"Lateness of advertisements, {name}"
            figures[f"advert_lateness_{name}_seconds"] = ("gauge", text, vrrp.lateness[quantile])
    return figures
