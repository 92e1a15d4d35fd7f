"""The `http` check in the file."""

from __future__ import annotations

from typing import Literal

from lvsha.config.checks.check import CommonCheck
from lvsha.config.checks.texts import HeaderName, HeaderValue, Host, Method, Path, Statuses, Text
from lvsha.core.probes import HttpProbe


class HttpCheck(CommonCheck):
    """The target answers an HTTP/1.1 request with a wanted status."""

    type: Literal["http"] = "http"
    path: Path = "/"
    """Path and query of the request."""
    host: Host | None = None
    """The Host header; default the probed address."""
    method: Method = "GET"
    """The request's method."""
    headers: dict[HeaderName, HeaderValue] = {}
    """Further headers of the request."""
    status: Statuses = [(200, 299)]
    """Statuses and ranges of them that count as a pass."""
    contains: Text | None = None
    """Text that must stand in the body."""

    def probe(self) -> HttpProbe:
        return HttpProbe(
            path=self.path,
            host=self.host,
            method=self.method,
            headers=tuple(self.headers.items()),
            status=tuple(self.status),
            contains=self.contains,
        )
