"""What is believed of a target, and how one more probe result changes it.

Laws of this file: the first conclusive result decides; from then on a change of mind takes
`rise` or `fall` results in a row; a result that says nothing about the target changes nothing.
What was measured and what the operator wants (`Admin`) are two separate things.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from lvsha.core.plan import Check


class Outcome(Enum):
    """What one probe found. INCONCLUSIVE: the fault is on our side, the target may be fine."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class Measured(Enum):
    """What the probes say of a target."""

    UNKNOWN = "UNKNOWN"
    UP = "UP"
    DOWN = "DOWN"


class Admin(Enum):
    """What the operator wants of a server, whatever the probes say."""

    ENABLED = "ENABLED"
    DRAIN = "DRAIN"
    DISABLED = "DISABLED"


@dataclass(frozen=True, slots=True)
class Advice:
    """What a check says beside up and down; None where it says nothing.

    `weight_percent` is a share of the configured weight, `weight` stands in its place: one of
    them at most. `admin` is as if an operator had said it.
    """

    weight_percent: int | None = None
    weight: int | None = None
    admin: Admin | None = None


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """One probe's finding. `elapsed` in seconds, `at` in seconds since the epoch.

    `refused`: of a failure, that the target said no itself.
    """

    outcome: Outcome
    message: str
    elapsed: float
    at: float
    advice: Advice | None = None
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """What is believed of a target.

    `streak` counts the latest results in a row that contradict `measured`; `since` is when
    `measured` last changed, in seconds since the epoch; `message` is the latest finding;
    `advice` is all that was advised so far, at once and whatever `measured` is.
    """

    measured: Measured = Measured.UNKNOWN
    streak: int = 0
    since: float = 0.0
    message: str = "not checked yet"
    advice: Advice | None = None


def judge(check: Check, health: Health, result: ProbeResult) -> Health:
    """The health after one more result: an inconclusive one is told, and changes nothing else."""
    if result.outcome is Outcome.INCONCLUSIVE:
        return replace(health, message=result.message)
    advice = _heeded(health.advice, result.advice)
    found = Measured.UP if result.outcome is Outcome.PASS else Measured.DOWN
    if found is health.measured:
        return Health(found, 0, health.since, result.message, advice)
    streak = health.streak + 1
    wanted = check.rise if found is Measured.UP else check.fall
    if health.measured is Measured.UNKNOWN or streak >= wanted:
        return Health(found, 0, result.at, result.message, advice)
    return Health(health.measured, streak, health.since, result.message, advice)


def pause(check: Check, health: Health) -> float:
    """Seconds from the start of the probe that led to this health to the start of the next.

    While the latest result contradicts what is believed, a change of mind is in the air.
    """
    if health.streak:
        return check.interval_transition or check.interval
    if health.measured is Measured.DOWN:
        return check.interval_down or check.interval
    return check.interval


def _heeded(before: Advice | None, now: Advice | None) -> Advice | None:
    """What was advised before still holds where nothing is said of it now."""
    if before is None or now is None:
        return now or before
    weighs = now.weight is not None or now.weight_percent is not None
    weight = now if weighs else before
    return Advice(weight.weight_percent, weight.weight, now.admin or before.admin)
