"""Health checks: from a check's specification to results.

A new kind of check is a frozen specification in `core.probes`, a file here whose function of the
same name makes an attempt out of it, and a line in PROBES. The file is imported when the first
check of its kind is prepared: a director pays for TLS only where something is checked with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TypeAlias

from lvsha.core.plan import Check
from lvsha.core.probes import (
    AgentProbe,
    DnsProbe,
    FileProbe,
    GrpcProbe,
    HttpProbe,
    MysqlProbe,
    PingProbe,
    PostgresProbe,
    Probe,
    RedisProbe,
    ScriptProbe,
    SmtpProbe,
    TcpProbe,
    TlsProbe,
    UdpProbe,
)
from lvsha.core.types import Key
from lvsha.probes.detour import Claims, by_detour
from lvsha.probes.engine import Attempt, Done, Engine, Flight

PROBES: Mapping[type[Probe], str] = {
    TcpProbe: "tcp",
    HttpProbe: "http",
    TlsProbe: "tls",
    GrpcProbe: "grpc",
    UdpProbe: "udp",
    DnsProbe: "dns",
    SmtpProbe: "smtp",
    PingProbe: "ping",
    ScriptProbe: "script",
    FileProbe: "file",
    RedisProbe: "redis",
    MysqlProbe: "mysql",
    PostgresProbe: "postgres",
    AgentProbe: "agent",
}
"""The file in this package, and the function in it, that probes what a specification says."""

Start: TypeAlias = Callable[[Done], Flight]


def attempt(check: Check) -> Attempt:
    """What one probe of this check does."""
    name = PROBES[type(check.probe)]
    made: Attempt = getattr(import_module(f"lvsha.probes.{name}"), name)(check)
    return made


class Prober:
    """Makes probes of checks, all on the running event loop.

    `claims` are its links'; `is_laid` says whether the kernel has the service of a detour.
    """

    def __init__(
        self, claims: Claims | None = None, is_laid: Callable[[Key], bool] = lambda _: True
    ) -> None:
        self._engine = Engine()
        self._claims = claims
        self._is_laid = is_laid

    def prepare(self, check: Check) -> Start:
        """What starts one probe of this check; made once, called at every turn."""
        once = attempt(check)
        if check.origin is not None and check.origin.detour is not None:
            once = by_detour(check, once, self._claims, self._is_laid)
        return lambda done: self._engine.start(once, check.timeout, done)

    def close(self) -> None:
        self._engine.close()
        if self._claims is not None:
            self._claims.close()
