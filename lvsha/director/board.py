"""Which servers a check speaks for, and how every server fares."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias

from lvsha.core.combine import combine
from lvsha.core.damping import Record, held, noted
from lvsha.core.health import Health, Measured
from lvsha.core.plan import Check, RealServer, VirtualService
from lvsha.core.probes import AgentProbe
from lvsha.core.types import DestinationKey

_Place: TypeAlias = tuple[str, DestinationKey]


class Verdict(NamedTuple):
    """What was and is believed of a server of a service; `damped`: from now on it is held down."""

    service: VirtualService
    server: RealServer
    old: Health
    new: Health
    damped: bool = False


@dataclass(slots=True, eq=False)
class _Case:
    """A server of which more must be remembered than the health of its one check.

    `found` is what its checks said when it last changed, `since` what its time is at least: when
    it was let go, or while it is held, since when it is down; in seconds since the epoch.
    """

    service: VirtualService
    server: RealServer
    found: Health | None = None
    record: Record = field(default=Record())
    since: float = 0.0


class Board:
    """The plan's services, indexed by check: a verdict finds its servers at once.

    `clock` and `wall` count seconds, `wall` since the epoch.
    """

    def __init__(
        self,
        health: Callable[[Check], Health],
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._health = health
        self._clock = clock
        self._wall = wall
        self._unchecked = Health(Measured.UP, since=wall(), message="no check: always up")
        self._servers: dict[Check, list[tuple[VirtualService, RealServer]]] = {}
        self._cases: dict[_Place, _Case] = {}
        self._held: dict[_Place, _Case] = {}

    def update(self, services: Iterable[VirtualService]) -> None:
        """Speak of these services from now on; what was known of their servers stays."""
        before, self._cases = self._cases, {}
        self._servers = {}
        for service in services:
            for server in service.servers:
                for check in server.checks:
                    self._servers.setdefault(check, []).append((service, server))
                if len(server.checks) > 1 or (server.checks and service.damping):
                    place = service.name, server.key
                    self._cases[place] = _renewed(before.get(place), service, server)
        self._held = {
            place: case for place, case in self._cases.items() if case.record.held_until is not None
        }

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every check once, in the plan's order."""
        return tuple(self._servers)

    def needs(self, check: Check) -> bool:
        """Whether a server can't be judged without it: any but agents beside other checks."""
        return not isinstance(check.probe, AgentProbe) or any(
            len(server.checks) == 1 for _, server in self._servers.get(check, ())
        )

    def judged(self, check: Check, old: Health, new: Health) -> Iterator[Verdict]:
        """What a changed health of a check's target, or new advice, makes of its servers."""
        for service, server in self._servers.get(check, ()):
            place = service.name, server.key
            if place in self._cases:
                yield from self._judged(place, check, old, new)
            else:
                yield Verdict(service, server, old, new)

    def released(self) -> Iterator[Verdict]:
        """Let go those held long enough; whom the checks find otherwise than down is told."""
        now = self._clock()
        for place, case in list(self._held.items()):
            if case.record.held_until is not None and case.record.held_until <= now:
                was = self._believed(case, self._found(case, {}))
                del self._held[place]
                case.record = Record()
                found = self._found(case, {})
                case.since = self._wall() if found.measured is not Measured.DOWN else 0.0
                free = self._believed(case, found)
                if free.measured is not was.measured:
                    free = replace(free, message=f"no longer held down; {found.message}")
                    yield Verdict(case.service, case.server, was, free)

    def health_of(self, service: VirtualService, server: RealServer) -> Health:
        """What is believed of a server. KeyError when a check of it is not run."""
        if not server.checks:
            return self._unchecked
        case = self._cases.get((service.name, server.key))
        if case is None:
            return self._health(server.checks[0])
        return self._believed(case, self._found(case, {}))

    def _judged(self, place: _Place, check: Check, old: Health, new: Health) -> Iterator[Verdict]:
        case = self._cases[place]
        found = self._found(case, {check: old})
        was = self._believed(case, found)
        now = case.found = self._found(case, {check: new})
        damped = self._note(place, case, found, now)
        now = self._believed(case, now)
        if damped or was.measured is not now.measured or was.advice != now.advice:
            yield Verdict(case.service, case.server, was, now, damped)

    def _note(self, place: _Place, case: _Case, old: Health, new: Health) -> bool:
        """Whether this change is one too many."""
        if case.service.damping is None or place in self._held:
            return False
        case.record = noted(
            case.service.damping, case.record, old.measured, new.measured, self._clock()
        )
        if case.record.held_until is None:
            return False
        down = new if new.measured is Measured.DOWN else old
        case.since = max(case.since, down.since)
        self._held[place] = case
        return True

    def _found(self, case: _Case, known: Mapping[Check, Health]) -> Health:
        """What a server's checks say, these for their part having said what is `known`."""
        server = case.server
        found = [known.get(check) or self._health(check) for check in server.checks]
        if len(found) == 1:
            return found[0]
        return combine(server.required, server.checks, found, case.found)

    def _believed(self, case: _Case, found: Health) -> Health:
        damping = case.service.damping
        if damping is not None and case.record.held_until is not None:
            return held(damping, case.record, found, case.since, self._clock())
        return replace(found, since=case.since) if found.since < case.since else found


def _renewed(case: _Case | None, service: VirtualService, server: RealServer) -> _Case:
    """The case of a server of a new plan, with its past."""
    if case is None:
        return _Case(service, server)
    record = case.record if service.damping else Record()
    return _Case(service, server, case.found, record, case.since)
