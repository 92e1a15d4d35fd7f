"""Health checks: from a check's specification to results.

A new kind of check is a frozen specification in `core.plan`, a file here that makes an attempt
out of it, and a line in PROBES.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from lvsha.core.plan import Check, HttpProbe, Probe, TcpProbe
from lvsha.probes.engine import Attempt, Done, Engine, Flight
from lvsha.probes.http import http
from lvsha.probes.tcp import tcp

PROBES: Mapping[type[Probe], Callable[[Check], Attempt]] = {TcpProbe: tcp, HttpProbe: http}

Start: TypeAlias = Callable[[Done], Flight]


class Prober:
    """Makes probes of checks, all on the running event loop."""

    def __init__(self) -> None:
        self._engine = Engine()

    def prepare(self, check: Check) -> Start:
        """What starts one probe of this check; made once, called at every turn."""
        attempt = PROBES[type(check.probe)](check)
        return lambda done: self._engine.start(attempt, check.timeout, done)

    def close(self) -> None:
        self._engine.close()
