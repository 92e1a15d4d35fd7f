"""Runs probes: coroutines that wait only for sockets, each under one total deadline.

A probe awaits `ready(...)` and is resumed straight from one epoll of our own, nested in the event
loop: no task, no future and no transport per probe, which is most of what a probe would cost
(docs/decisions/0007). Its answer is its return value (what it found), a ProbeError (the target
failed) or an InconclusiveError (this machine failed). At the deadline a DeadlineError is raised
where it waits; a probe that knows better what the silence means catches it, but waits no more.
"""

from __future__ import annotations

import asyncio
import select
import time
import types
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import TypeAlias

from lvsha.core.health import Advice, Outcome, ProbeResult
from lvsha.errors import DeadlineError, InconclusiveError, ProbeError, RefusalError

Wait: TypeAlias = tuple[int, int, str]
"""A file descriptor, the epoll events awaited there, and what for, in words."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe returns that has more to say than a pass in words."""

    message: str
    outcome: Outcome = Outcome.PASS
    advice: Advice | None = None


Running: TypeAlias = Coroutine[Wait, int | None, str | Finding]
Attempt: TypeAlias = Callable[[], Running]
Done: TypeAlias = Callable[[ProbeResult], None]

EARLY = 0.002
"""Seconds by which the event loop's timer may fire too soon: uvloop counts in milliseconds."""


@types.coroutine
def ready(fd: int, events: int, doing: str) -> Generator[Wait, int, int]:
    """Wait until `fd` has one of `events` (or an error); returns the events seen."""
    return (yield fd, events, doing)


@types.coroutine
def released(fd: int) -> Generator[Wait, None, None]:
    """Say at once that `fd` was closed: another socket of this probe may get its number."""
    yield fd, 0, ""


class Flight:
    """A probe under way. `cancel` ends it without a result."""

    __slots__ = ("_engine", "coroutine", "doing", "done", "events", "fd", "started", "timer")

    def __init__(self, engine: Engine, coroutine: Running, timeout: float, done: Done) -> None:
        self._engine = engine
        self.coroutine = coroutine
        self.done = done
        self.fd = -1
        self.events = 0
        self.doing = ""
        self.started = time.monotonic()
        self.timer = engine.loop.call_later(timeout, engine.expire, self, timeout)

    def cancel(self) -> None:
        self._engine.drop(self)


class Engine:
    """All probes under way on one event loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._epoll = select.epoll()
        self._flights: dict[int, Flight] = {}
        self.loop.add_reader(self._epoll.fileno(), self._poll)

    def start(self, attempt: Attempt, timeout: float, done: Done) -> Flight:
        """Begin an attempt; `done` is called once, possibly before this returns."""
        flight = Flight(self, attempt(), timeout, done)
        self._advance(flight, None)
        return flight

    def close(self) -> None:
        """Drop every probe without a result."""
        for flight in list(self._flights.values()):
            self.drop(flight)
        self.loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def drop(self, flight: Flight) -> None:
        """Forget a probe; harmless when it has ended."""
        flight.timer.cancel()
        if self._flights.get(flight.fd) is flight:
            del self._flights[flight.fd]
        flight.coroutine.close()

    def expire(self, flight: Flight, timeout: float) -> None:
        """The deadline: believed only after reading what has already arrived."""
        left = flight.started + timeout - time.monotonic()
        if left > EARLY:
            flight.timer = self.loop.call_later(left, self.expire, flight, timeout)
            return
        self._poll()
        if self._flights.get(flight.fd) is flight:
            text = f"timed out after {duration(timeout)} while {flight.doing}"
            self._advance(flight, None, DeadlineError(text))

    def _poll(self) -> None:
        for fd, events in self._epoll.poll(0, len(self._flights) or 1):
            flight = self._flights.get(fd)
            if flight is not None:
                self._advance(flight, events)

    def _advance(
        self, flight: Flight, events: int | None, deadline: DeadlineError | None = None
    ) -> None:
        coroutine = flight.coroutine
        try:
            wait = coroutine.throw(deadline) if deadline else coroutine.send(events)
            while not wait[1]:
                self._release(flight)
                wait = coroutine.send(None)
            fd, wanted, flight.doing = wait
        except StopIteration as answer:
            self._conclude(flight, answer.value)
        except ProbeError as error:
            refused = isinstance(error, RefusalError)
            self._finish(flight, Outcome.FAIL, str(error), refused=refused)
        except InconclusiveError as error:
            self._finish(flight, Outcome.INCONCLUSIVE, str(error))
        except Exception as error:  # noqa: BLE001 a mistake of ours must not count against a server
            self._finish(flight, Outcome.INCONCLUSIVE, f"probe broke: {error!r}")
        else:
            if deadline:
                self._finish(flight, Outcome.FAIL, str(deadline))
            else:
                self._await(flight, fd, wanted)

    def _await(self, flight: Flight, fd: int, events: int) -> None:
        if flight.fd != fd:
            self._flights.pop(flight.fd, None)
            self._epoll.register(fd, events)
            self._flights[fd] = flight
            flight.fd = fd
        elif flight.events != events:
            self._epoll.modify(fd, events)
        flight.events = events

    def _release(self, flight: Flight) -> None:
        self._flights.pop(flight.fd, None)
        flight.fd = -1

    def _conclude(self, flight: Flight, answer: str | Finding) -> None:
        if isinstance(answer, str):
            self._finish(flight, Outcome.PASS, answer)
        else:
            self._finish(flight, answer.outcome, answer.message, answer.advice)

    def _finish(
        self,
        flight: Flight,
        outcome: Outcome,
        message: str,
        advice: Advice | None = None,
        *,
        refused: bool = False,
    ) -> None:
        elapsed = time.monotonic() - flight.started
        if outcome is Outcome.PASS:
            message = f"{message} in {duration(elapsed)}"
        self.drop(flight)
        flight.done(ProbeResult(outcome, message, elapsed, time.time(), advice, refused))


def duration(seconds: float) -> str:
    """`0.12 ms`, `1.2 ms`, `800 ms`, `1.5 s`: as a person says it."""
    if seconds >= 1:
        return f"{seconds:.4g} s"
    milliseconds = seconds * 1000
    return f"{milliseconds:.2g} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"
