"""How the probes went: results by outcome, and how late they started."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from lvsha.core.health import Outcome


@dataclass(slots=True)
class ProbeCounters:
    """Results by outcome. `stalled` counts the inconclusive ones our own lateness caused.

    `lateness` is by how many seconds the latest starts were late.
    """

    passed: int = 0
    failed: int = 0
    inconclusive: int = 0
    stalled: int = 0
    lateness: deque[float] = field(default_factory=lambda: deque(maxlen=4096), repr=False)

    def lateness_quantile(self, quantile: float) -> float:
        """Seconds; 0 while nothing has run."""
        ordered = sorted(self.lateness)
        return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))] if ordered else 0.0

    def count(self, outcome: Outcome) -> None:
        match outcome:
            case Outcome.PASS:
                self.passed += 1
            case Outcome.FAIL:
                self.failed += 1
            case Outcome.INCONCLUSIVE:
                self.inconclusive += 1
