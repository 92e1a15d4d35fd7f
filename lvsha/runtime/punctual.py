"""An event loop whose timers are not rounded up to the next millisecond."""

from __future__ import annotations

import asyncio
import select
from selectors import EpollSelector, SelectorKey


class PunctualSelector(EpollSelector):
    """epoll_wait(2) counts whole milliseconds, select(2) microseconds: so it is select that waits,
    for the epoll descriptor alone, which is readable when something there is.
    """

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if timeout is None or timeout > 0:
            readable, _, _ = select.select((self.fileno(),), (), (), timeout)
            if not readable:
                return []
        return super().select(0)


def punctual_loop() -> asyncio.AbstractEventLoop:
    """For `asyncio.Runner`."""
    return asyncio.SelectorEventLoop(PunctualSelector())
