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
    reload_ok: bool,
    ready: bool,
    suspect: bool,
    checkers: Checkers,
    table: Reconciler | None,
    vrrp: VrrpStatus,
) -> Mapping[str, Figure]:
    """Name → figure, without the prefix."""
    counters = checkers.counters
    figures: dict[str, Figure] = {
        "config_generation": ("gauge", "Generation of the file in force", generation),
        "config_reload_ok": ("gauge", "1 unless the last reload failed", reload_ok),
        "ready": ("gauge", "1 once every check has decided", ready),
        "director_suspect": ("gauge", "1 while most targets fail at once", suspect),
        "loop_lag_seconds": ("gauge", "Latest lateness of the event loop", checkers.witness.lag),
        "checks_passed_total": ("counter", "Probes that passed", counters.passed),
        "checks_failed_total": ("counter", "Probes that failed", counters.failed),
        "checks_inconclusive_total": (
            "counter",
            "Probes that said nothing about their target",
            counters.inconclusive,
        ),
        "checks_stalled_total": (
            "counter",
            "Inconclusive probes that our own lateness caused",
            counters.stalled,
        ),
        "check_lateness_p99_seconds": (
            "gauge",
            "Lateness of probe starts, 99th percentile",
            counters.lateness_quantile(0.99),
        ),
        "checks_under_way": ("gauge", "Probes in the air", checkers.under_way),
    }
    if table is not None:
        figures["reconcile_errors_total"] = (
            "counter",
            "Refusals of the kernel",
            table.errors_total,
        )
        figures["drifts_total"] = (
            "counter",
            "Services found changed and repaired",
            table.drifts_total,
        )
    for quantile, name in (("0.5", "p50"), ("0.99", "p99"), ("1", "max")):
        if quantile in vrrp.lateness:
            text = f"Lateness of advertisements, {name}"
            figures[f"advert_lateness_{name}_seconds"] = ("gauge", text, vrrp.lateness[quantile])
    return figures
