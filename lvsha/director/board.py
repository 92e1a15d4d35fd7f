"""Which servers a check speaks for, and how every server fares."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from lvsha.core.combine import combine
from lvsha.core.health import Health, Measured
from lvsha.core.plan import Check, RealServer, VirtualService
from lvsha.core.types import DestinationKey

_Place: TypeAlias = tuple[str, DestinationKey]


class Verdict(NamedTuple):
    """What was and is believed of a server of a service."""

    service: VirtualService
    server: RealServer
    old: Health
    new: Health


@dataclass(slots=True, eq=False)
class _Case:
    """A server on which several checks speak; `health` is their latest word that changed it."""

    health: Health | None = None


class Board:
    """The plan's services, indexed by check: a verdict finds its servers at once."""

    def __init__(self, health: Callable[[Check], Health]) -> None:
        self._health = health
        self._unchecked = Health(Measured.UP, since=time.time(), message="no check: always up")
        self._servers: dict[Check, list[tuple[VirtualService, RealServer]]] = {}
        self._cases: dict[_Place, _Case] = {}

    def update(self, services: Iterable[VirtualService]) -> None:
        """Speak of these services from now on; what was known of their servers stays."""
        before, self._cases = self._cases, {}
        self._servers = {}
        for service in services:
            for server in service.servers:
                for check in server.checks:
                    self._servers.setdefault(check, []).append((service, server))
                if len(server.checks) > 1:
                    place = service.name, server.key
                    self._cases[place] = before.get(place) or _Case()

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every check once, in the plan's order."""
        return tuple(self._servers)

    def judged(self, check: Check, old: Health, new: Health) -> Iterator[Verdict]:
        """What a changed health of a check's target, or new advice, makes of its servers."""
        for service, server in self._servers.get(check, ()):
            case = self._cases.get((service.name, server.key))
            if case is None:
                yield Verdict(service, server, old, new)
                continue
            was = self._combined(server, case, {check: old})
            now = case.health = self._combined(server, case, {check: new})
            if was.measured is not now.measured or was.advice != now.advice:
                yield Verdict(service, server, was, now)

    def health_of(self, service: VirtualService, server: RealServer) -> Health:
        """What is believed of a server. KeyError when a check of it is not run."""
        if not server.checks:
            return self._unchecked
        case = self._cases.get((service.name, server.key))
        return self._health(server.checks[0]) if case is None else self._combined(server, case, {})

    def _combined(self, server: RealServer, case: _Case, known: Mapping[Check, Health]) -> Health:
        found = [known.get(check) or self._health(check) for check in server.checks]
        return combine(server.required, server.checks, found, case.health)
