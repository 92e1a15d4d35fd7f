"""One measured figure, and the table they are printed in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured. Without a `target` it is only reported."""

    what: str
    measured: str
    target: str = ""
    met: bool | None = None

    @property
    def verdict(self) -> str:
        return {True: "met", False: "NOT MET", None: "-"}[self.met]


def at_most(what: str, measured: float, most: float, text: str) -> Figure:
    """`text` says both numbers; `{}` in it is where each stands."""
    return Figure(what, text.format(measured), "at most " + text.format(most), measured <= most)


def at_least(what: str, measured: float, least: float, text: str) -> Figure:
    return Figure(what, text.format(measured), "at least " + text.format(least), measured >= least)


def table(figures: Iterable[Figure]) -> str:
    rows = [("figure", "measured", "target", "verdict")]
    rows += [(each.what, each.measured, each.target or "-", each.verdict) for each in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def quantile(samples: Iterable[float], share: float) -> float:
    """The nearest-rank quantile: 0.99 of 100 samples is the second largest."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def spread(seconds: Iterable[float]) -> str:
    """Median, 99th percentile and maximum in milliseconds."""
    samples = list(seconds)
    return " / ".join(f"{quantile(samples, share) * 1e3:.1f}" for share in (0.5, 0.99, 1)) + " ms"
