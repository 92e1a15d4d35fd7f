"""A tracked script: run at its interval for as long as somebody asks, judged by its exit code.

0 is well and anything else is not. One that could not be run, or was killed at its deadline, says
nothing: a machine too busy to run a check must not lose its addresses over that.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable

from lvsha.core.tracking import Finding, Judgement, TrackedScript, Verdict, judge
from lvsha.runtime.logs import log
from lvsha.vrrp.observations import OncePerMinute
from lvsha.vrrp.running import Ended, run


async def follow(script: TrackedScript, found: Callable[[Finding], None]) -> None:
    """Tell what is believed whenever that changes, until cancelled."""
    loop, said = asyncio.get_running_loop(), OncePerMinute()
    judgement = Judgement()
    due = loop.time() + _stagger(script)
    while True:
        await asyncio.sleep(max(0.0, due - loop.time()))
        ended = await run(script.exec, script.user, script.timeout, {})
        if ended.code is None and said.allows("unknown", loop.time()):
            log.warning("vrrp.unknown", target=str(script), reason=ended.words)
        before = judgement
        judgement = judge(script, before, _verdict(ended), ended.words)
        if judgement.finding.verdict is not before.finding.verdict:
            found(judgement.finding)
        due = max(due + script.interval, loop.time())


def _verdict(ended: Ended) -> Verdict:
    if ended.code is None:
        return Verdict.UNKNOWN
    return Verdict.ILL if ended.code else Verdict.WELL


def _stagger(script: TrackedScript) -> float:
    """Part of a second, the same every time: many scripts do not start all at once."""
    return zlib.crc32("\0".join(script.exec).encode()) / 2**32 * min(script.interval, 1.0) / 4
