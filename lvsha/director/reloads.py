"""Operators' requests to read the file again, passed on to the supervisor."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

from lvsha.core.messages import ReloadDone, ReloadRequested

TIMEOUT = 25.0
"""Seconds an operator's reload may take before the answer is that it takes too long."""


class Reloads:
    """Requests under way, and how the last reload ended. `send` reaches the supervisor."""

    def __init__(self, send: Callable[[ReloadRequested], None]) -> None:
        self._send = send
        self._requests = itertools.count(1)
        self._answers: dict[int, asyncio.Future[ReloadDone]] = {}
        self.last = ReloadDone(0, 0)

    async def ask(self, generation: int) -> ReloadDone:
        """The supervisor's answer. `generation` is in force meanwhile."""
        request = next(self._requests)
        answer: asyncio.Future[ReloadDone] = asyncio.get_running_loop().create_future()
        self._answers[request] = answer
        self._send(ReloadRequested(request))
        try:
            async with asyncio.timeout(TIMEOUT):
                done = await answer
        except TimeoutError:
            text = f"lvsha: the reload has not ended after {TIMEOUT:g} s"
            done = ReloadDone(request, generation, text, 1)
        finally:
            del self._answers[request]
        return done

    def done(self, message: ReloadDone) -> None:
        """The supervisor has answered, or reloaded for another reason."""
        self.last = message
        if (answer := self._answers.get(message.request)) and not answer.done():
            answer.set_result(message)
