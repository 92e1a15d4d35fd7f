"""When each check runs, and what its results make of its target's health.

Laws of this file: one probe of a check at a time; starts are spread over the interval, never all
in one tick; the schedule is absolute (the next start is the last planned one plus the pause), so
lateness does not add up; a failure seen while our own loop stood still is not believed, unless
the target said no itself.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Set
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Protocol, TypeAlias

from lvsha.core.health import Health, Measured, Outcome, ProbeResult, judge, pause
from lvsha.core.plan import Check
from lvsha.core.probes import FileProbe
from lvsha.director.file_ear import FileEar
from lvsha.director.probe_counters import ProbeCounters
from lvsha.director.witness import STALL, LagWitness

FIRST_ROUND_RATE = 3000
"""Starts a second of checks that have no verdict yet: 10,000 are decided in 3.3 s."""

GOLDEN = 0.6180339887498949
"""Multiples of it, modulo 1, stay evenly spread however many there are."""

BURST = 32
"""Starts in one wake-up at most: after a stall the results come first."""

TOGETHER = 0.02
"""Seconds: starts that are due this soon share one wake-up of the loop, which is most of a check's
cost where checks are few. Far below any interval, and what a failure is found later by."""

TOGETHER_AT_FIRST = 0.005
"""The same while some check has no verdict yet: the first round is close together anyhow."""


class Flight(Protocol):
    """A probe under way."""

    def cancel(self) -> None: ...


Done: TypeAlias = Callable[[ProbeResult], None]
Start: TypeAlias = Callable[[Done], Flight]
OnChange: TypeAlias = Callable[[Check, Health, Health, ProbeResult], None]


class Prober(Protocol):
    """Where probes come from: `lvsha.probes.Prober`, or a script in a test."""

    def prepare(self, check: Check) -> Start: ...

    def close(self) -> None: ...


@dataclass(slots=True, eq=False)
class _Watch:
    """A check, its health and its place in the schedule.

    `move` is the longest time from this start to the next: endless, except once, when the check
    moves from the first round to its own place. `excuses` are the failures still to be blamed
    on our own lateness; a pass refills them.
    """

    number: int
    check: Check
    health: Health
    planned: float
    move: float
    excuses: int
    start: Start | None = None
    begun: float = 0.0
    running: bool = False
    asked: bool = False
    removed: bool = False
    flight: Flight | None = None


class Checkers:
    """All checks of a director. Call on the event loop it was made on.

    `limit` is how many probes may be under way at once; `on_change` is told of transitions and
    of new advice.
    `clock` counts seconds as the loop's own does; `chance` is from 0 to 1.
    """

    def __init__(
        self,
        prober: Prober,
        on_change: OnChange,
        limit: int = 1000,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.counters = ProbeCounters()
        self.witness = LagWitness(clock)
        self._loop = asyncio.get_running_loop()
        self._prober = prober
        self._on_change = on_change
        self._limit = limit
        self._clock = clock
        self._chance = chance
        self._watches: dict[Check, _Watch] = {}
        self._queue: list[tuple[float, int, _Watch]] = []
        self._added = 0
        self._under_way = 0
        self._undecided = 0
        self._timer: asyncio.Handle | None = None
        self._wake_at = float("inf")
        self._ear: FileEar | None = None

    @property
    def decided(self) -> bool:
        """Every check has had a conclusive result."""
        return self._undecided == 0

    def undecided(self) -> Iterator[tuple[Check, bool]]:
        """Checks that have had no conclusive result, and whether they have had any."""
        if self._undecided:
            for check, watch in self._watches.items():
                if watch.health.measured is Measured.UNKNOWN:
                    yield check, watch.asked

    @property
    def under_way(self) -> int:
        return self._under_way

    def health(self, check: Check) -> Health:
        """What is believed of a check's target. KeyError for a check that is not run."""
        return self._watches[check].health

    def update(self, checks: Collection[Check]) -> None:
        """Run these checks from now on. Equal ones go on undisturbed, with their health.

        A check of which only the pace changed starts anew with the health it had.
        """
        wanted = dict.fromkeys(checks)
        known = {}
        for check in _lacking(self._watches, wanted):
            known[_aim(check)] = self._remove(check)
        added = _lacking(wanted, self._watches)
        for place, check in enumerate(added):
            health = known.get(_aim(check))
            self._add(check, place / len(added), place / FIRST_ROUND_RATE, health)
        self._arm()
        self._listen()

    async def close(self) -> None:
        """End everything, without results."""
        if self._ear is not None:
            self._ear.close()
        self.witness.close()
        for check in list(self._watches):
            self._remove(check)
        if self._timer is not None:
            self._timer.cancel()
        self._prober.close()

    def _listen(self) -> None:
        """Have it told when a file changes that a check reads."""
        paths = {path for check in self._watches if (path := _path(check)) is not None}
        if paths and self._ear is None:
            self._ear = FileEar(self._hasten)
        if self._ear is not None:
            self._ear.listen(paths)

    def _hasten(self, paths: Set[str]) -> None:
        """Read these files now, and from now on at their interval."""
        for check in [check for check in self._watches if _path(check) in paths]:
            self._add(check, 0.0, 0.0, self._remove(check))
        self._arm()

    def _add(self, check: Check, share: float, delay: float, health: Health | None) -> None:
        if health is None:
            health = Health(since=time.time())
        now = self._clock()
        number = self._added = self._added + 1
        planned = now + min(delay, check.interval * share)
        place = check.interval * (number * GOLDEN % 1)
        move = check.interval - (planned - place) % check.interval
        watch = _Watch(number, check, health, planned, move, check.fall)
        self._watches[check] = watch
        self._undecided += health.measured is Measured.UNKNOWN
        heappush(self._queue, (planned, number, watch))

    def _remove(self, check: Check) -> Health:
        watch = self._watches.pop(check)
        watch.removed = True
        self._undecided -= watch.health.measured is Measured.UNKNOWN
        if watch.running and watch.flight is not None:
            self._under_way -= 1
            watch.flight.cancel()
        return watch.health

    def _arm(self) -> None:
        """One timer for all: at the earliest planned start."""
        if not self._queue or self._queue[0][0] >= self._wake_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._wake_at = self._queue[0][0]
        together = TOGETHER if self.decided else TOGETHER_AT_FIRST
        delay = max(together, self._wake_at - self._clock())
        self._timer = self._loop.call_later(delay, self._start_due)

    def _start_due(self) -> None:
        self._wake_at = float("inf")
        queue = self._queue
        started = 0
        while queue and started < BURST and self._under_way < self._limit:
            now = self._clock()
            if queue[0][0] > now:
                break
            watch = heappop(queue)[2]
            if not watch.removed:
                self._start(watch, now)
                started += 1
        if started == BURST:
            self._wake_at = float("-inf")
            self._timer = self._loop.call_soon(self._start_due)
        elif self._under_way < self._limit:
            self._arm()

    def _start(self, watch: _Watch, now: float) -> None:
        self.counters.lateness.append(now - watch.planned)
        if watch.start is None:
            watch.start = self._prober.prepare(watch.check)
        watch.begun = now
        watch.running = True
        self._under_way += 1
        watch.flight = watch.start(lambda result: self._finish(watch, result))

    def _finish(self, watch: _Watch, result: ProbeResult) -> None:
        watch.running = False
        watch.asked = True
        watch.flight = None
        self._under_way -= 1
        result = self._believed(watch, result)
        self.counters.count(result.outcome)
        old = watch.health
        watch.health = judge(watch.check, old, result)
        self._plan_next(watch)
        if watch.health.measured is not old.measured:
            self._undecided -= old.measured is Measured.UNKNOWN
            self._on_change(watch.check, old, watch.health, result)
        elif watch.health.advice != old.advice:
            self._on_change(watch.check, old, watch.health, result)

    def _believed(self, watch: _Watch, result: ProbeResult) -> ProbeResult:
        """A failure is ours when our loop stood still meanwhile; but not for ever."""
        if result.outcome is Outcome.PASS:
            watch.excuses = watch.check.fall
        elif result.outcome is Outcome.FAIL and not result.refused and watch.excuses:
            stall = self.witness.worst_since(watch.begun)
            if stall > max(STALL, watch.check.timeout / 10):
                watch.excuses -= 1
                self.counters.stalled += 1
                message = f"{result.message}; this director stood still for {stall * 1000:.0f} ms"
                return ProbeResult(Outcome.INCONCLUSIVE, message, result.elapsed, result.at)
        return result

    def _plan_next(self, watch: _Watch) -> None:
        check = watch.check
        interval = pause(check, watch.health)
        if check.jitter:
            interval *= 1 + check.jitter / 100 * (2 * self._chance() - 1)
        planned = watch.planned + min(interval, watch.move)
        behind = self._clock() - planned
        if behind > interval:
            planned += behind // interval * interval
        watch.planned, watch.move = planned, float("inf")
        heappush(self._queue, (planned, watch.number, watch))
        self._arm()


def _lacking(checks: Mapping[Check, object], others: Mapping[Check, object]) -> list[Check]:
    """Those the others lack, in their order. A mapping keeps its keys' hashes: none is reckoned
    anew where both have the same checks, as after most reloads."""
    missing = set(checks).difference(others)
    return [check for check in checks if check in missing] if missing else []


def _path(check: Check) -> str | None:
    return check.probe.path if isinstance(check.probe, FileProbe) else None


def _aim(check: Check) -> tuple[object, ...]:
    """All of a check but its pace."""
    return check.probe, check.address, check.port, check.origin
