"""Operators' requests to hand a virtual router over, passed on to the VRRP process."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from lvsha.core.messages import Failover, FailoverDone, VrrpStatus
from lvsha.director.nearest import nearest
from lvsha.errors import HostError, UsageError

TIMEOUT = 5.0
"""Seconds the VRRP process has to answer: it only has to begin."""


class Failovers:
    """Requests under way. `send` reaches the supervisor."""

    def __init__(self, send: Callable[[Failover], None]) -> None:
        self._send = send
        self._requests = itertools.count(1)
        self._answers: dict[int, asyncio.Future[FailoverDone]] = {}

    async def ask(self, router: str, vrrp: VrrpStatus) -> None:
        """Have this node give up a router. UsageError: there is no such one; HostError: it can't.

        Who takes it over shows in the status.
        """
        known = [each.name for each in vrrp.routers]
        if router not in known:
            raise UsageError(f"no router {router!r}; {nearest(router, known)}")
        request = next(self._requests)
        answer: asyncio.Future[FailoverDone] = asyncio.get_running_loop().create_future()
        self._answers[request] = answer
        self._send(Failover(request, router))
        try:
            async with asyncio.timeout(TIMEOUT):
                done = await answer
        except TimeoutError:
            raise HostError(f"the vrrp process gives no answer in {TIMEOUT:g} s") from None
        finally:
            del self._answers[request]
        if done.error:
            raise HostError(done.error)

    def done(self, message: FailoverDone) -> None:
        """The VRRP process has answered."""
        if (answer := self._answers.get(message.request)) and not answer.done():
            answer.set_result(message)
