"""Which servers a check speaks for, and how every server fares."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from lvsha.core.health import Health, Measured
from lvsha.core.plan import Check, RealServer, VirtualService


class Board:
    """The plan's services, indexed by check: a verdict finds its servers at once."""

    def __init__(self, health: Callable[[Check], Health]) -> None:
        self._health = health
        self._unchecked = Health(Measured.UP, since=time.time(), message="no check: always up")
        self._servers: dict[Check, list[tuple[VirtualService, RealServer]]] = {}

    def update(self, services: Iterable[VirtualService]) -> None:
        """Speak of these services from now on."""
        self._servers = {}
        for service in services:
            for server in service.servers:
                if server.check is not None:
                    self._servers.setdefault(server.check, []).append((service, server))

    @property
    def checks(self) -> tuple[Check, ...]:
        """Every check once, in the plan's order."""
        return tuple(self._servers)

    def servers(self, check: Check) -> tuple[tuple[VirtualService, RealServer], ...]:
        """Whom a verdict of this check concerns."""
        return tuple(self._servers.get(check, ()))

    def health_of(self, server: RealServer) -> Health:
        """What is believed of a server. KeyError when its check is not run."""
        return self._unchecked if server.check is None else self._health(server.check)
