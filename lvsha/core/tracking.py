"""What else counts in an election: things watched on this machine, as weights or as faults.

Laws of this file: pure; findings in, priority and faults out, the same whatever came before. As in
keepalived a positive weight is added while its target is well, a negative one while it is not, and
what has no weight is a fault. A target nobody could judge yet counts for nothing: not knowing
trips nothing. Times are seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias, assert_never

from lvsha.core.types import Network

LOWEST, HIGHEST = 1, 254
"""Effective priorities: 0 says goodbye, and 255 is the address owner's."""

OWNER = 255
"""Priority of the router that owns the addresses as its own (RFC 9568 §5.2.4)."""

LARGEST_WEIGHT = 253


@dataclass(frozen=True, slots=True)
class TrackedInterface:
    """Up and with carrier."""

    name: str

    def __str__(self) -> str:
        return f"interface {self.name}"


@dataclass(frozen=True, slots=True)
class TrackedService:
    """A virtual service whose quorum holds."""

    name: str

    def __str__(self) -> str:
        return f"service {self.name}"


@dataclass(frozen=True, slots=True)
class TrackedScript:
    """A program that exits with 0, run every `interval` and killed after `timeout` seconds.

    `rise` and `fall` are results in a row.
    """

    exec: tuple[str, ...]
    interval: float = 2.0
    timeout: float = 1.0
    rise: int = 2
    fall: int = 2
    user: str = "nobody"

    def __str__(self) -> str:
        return f"script {self.exec[0]}"


@dataclass(frozen=True, slots=True)
class TrackedFile:
    """A file with a number in it; none, or nothing in it, is 0. Well while it is 0."""

    path: str

    def __str__(self) -> str:
        return f"file {self.path}"


@dataclass(frozen=True, slots=True)
class TrackedProcess:
    """At least one process of this name runs."""

    name: str

    def __str__(self) -> str:
        return f"process {self.name}"


@dataclass(frozen=True, slots=True)
class TrackedRoute:
    """A usable route to exactly this network is in the main table."""

    to: Network

    def __str__(self) -> str:
        return f"route {self.to}"


Target: TypeAlias = (
    TrackedInterface | TrackedService | TrackedScript | TrackedFile | TrackedProcess | TrackedRoute
)


@dataclass(frozen=True, slots=True)
class Track:
    """A target and what it weighs; `weight` None: while it is not well there is a fault."""

    target: Target
    weight: int | None = None


class Verdict(Enum):
    UNKNOWN = "UNKNOWN"
    WELL = "WELL"
    ILL = "ILL"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is believed of a target now. `reason` is its fault in words; `value` a file's number."""

    verdict: Verdict = Verdict.UNKNOWN
    reason: str = ""
    value: int = 0


UNKNOWN = Finding()


@dataclass(frozen=True, slots=True)
class Effect:
    """What comes of all tracks of a router together."""

    priority: int
    faults: frozenset[str] = frozenset()


def effect(priority: int, tracks: Iterable[Track], found: Mapping[Target, Finding]) -> Effect:
    """The effective priority, and every fault, of a router with this priority of its own.

    The address owner's priority is not weighed (RFC 9568 §6.1).
    """
    total, faults = priority, set()
    for track in dict.fromkeys(tracks):
        finding = found.get(track.target, UNKNOWN)
        share = _share(track, finding)
        if share is None:
            faults.add(f"{track.target} {finding.reason}".rstrip())
        else:
            total += share
    if priority != OWNER:
        priority = max(LOWEST, min(HIGHEST, total))
    return Effect(priority, frozenset(faults))


def moved(effective: int, old: int, new: int) -> int:
    """An effective priority when the file's becomes another: what was added stays added."""
    if OWNER in (old, new):
        return new
    return max(LOWEST, min(HIGHEST, effective + new - old))


def _share(track: Track, finding: Finding) -> int | None:
    """What a track adds to the priority; None: a fault."""
    if isinstance(track.target, TrackedFile) and track.weight is not None:
        product = finding.value * track.weight
        return None if product < -LARGEST_WEIGHT else min(product, LARGEST_WEIGHT)
    match finding.verdict:
        case Verdict.UNKNOWN:
            return 0
        case Verdict.WELL:
            return max(0, track.weight or 0)
        case Verdict.ILL:
            return None if track.weight is None else min(0, track.weight)
    assert_never(finding.verdict)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is believed of a script, and how many results in a row say otherwise."""

    finding: Finding = UNKNOWN
    against: int = 0


def judge(script: TrackedScript, before: Judgement, verdict: Verdict, reason: str) -> Judgement:
    """Count one result. The first that says anything decides; not knowing changes nothing."""
    believed = before.finding.verdict
    if verdict is Verdict.UNKNOWN:
        return before
    if verdict is believed:
        return Judgement(Finding(verdict, reason))
    needed = script.rise if verdict is Verdict.WELL else script.fall
    if believed is not Verdict.UNKNOWN and before.against + 1 < needed:
        return Judgement(before.finding, before.against + 1)
    return Judgement(Finding(verdict, reason))
