"""The `http` and `https` checks: a request on a connection of its own, redirects followed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lvsha.core.plan import Check
from lvsha.core.probes import HttpProbe
from lvsha.errors import ProbeError
from lvsha.probes.answer import Answer
from lvsha.probes.connection import connect, target
from lvsha.probes.engine import Attempt, released
from lvsha.probes.http1 import http1
from lvsha.probes.password import password
from lvsha.probes.request import Exchange, Request, first_request

if TYPE_CHECKING:
    from lvsha.probes.secure import Tls


def http(check: Check) -> Attempt:
    """An attempt asks, follows redirects as far as it may, and judges the answer."""
    spec = check.probe
    assert isinstance(spec, HttpProbe)
    first = first_request(spec, check.address, check.port)
    version = _version(spec)
    opening = version(first)
    hop = _hop(spec, check, first)

    async def attempt() -> str:
        request, exchange = first, opening
        if spec.user is not None and spec.password_file is not None:
            request = first.authorised(spec.user, password(spec.password_file))
            exchange = version(request)
        answer = await hop(exchange)
        followed = 0
        while answer.location is not None:
            if followed == spec.redirects:
                raise ProbeError(f"HTTP {answer.status} after {followed} redirects")
            followed += 1
            request = request.redirected(answer.status, answer.location)
            answer = await hop(version(request))
        return answer.verdict()

    return attempt


def _version(spec: HttpProbe) -> Callable[[Request], Exchange]:
    if not spec.http2:
        return http1
    from lvsha.probes.http2 import http2

    return http2


def _hop(spec: HttpProbe, check: Check, first: Request) -> Callable[[Exchange], Awaitable[Answer]]:
    """What makes one exchange on a new connection."""
    where = target(check)
    tls = _tls(spec, first)

    async def hop(exchange: Exchange) -> Answer:
        answer = Answer(spec)
        connection = await connect(where)
        try:
            if tls is None:
                await exchange(connection, answer)
            else:
                secured = await tls.over(connection)
                await exchange(secured, answer)
                tls.keep(secured)
        finally:
            connection.close()
        if answer.location is not None:
            await released(connection.fd)
        return answer

    return hop


def _tls(spec: HttpProbe, first: Request) -> Tls | None:
    if spec.tls is None:
        return None
    from lvsha.probes.secure import Tls

    name = spec.tls.sni or urlsplit(f"//{first.host}").hostname or first.host
    return Tls(spec.tls, name, ("h2",) if spec.http2 else ("http/1.1",))
