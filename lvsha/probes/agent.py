"""The `agent` check: an agent on the target says how it is, in HAProxy's words.

An agent that cannot be reached, or not be understood, is no failure of its server. A line that
speaks neither of up nor of down leaves standing what was said before; at first that is up.
"""

from __future__ import annotations

import re

from lvsha.core.agent import Said, understand
from lvsha.core.health import Outcome
from lvsha.core.plan import Check
from lvsha.core.probes import AgentProbe
from lvsha.errors import InconclusiveError, ProbeError
from lvsha.probes.connection import Target, connect, target
from lvsha.probes.engine import Attempt, Finding
from lvsha.probes.faults import excerpt
from lvsha.probes.reader import LINE_LIMIT

_END = re.compile(rb"[\r\n]")


def agent(check: Check) -> Attempt:
    """An attempt says `send`, if anything, and hears one line."""
    spec = check.probe
    assert isinstance(spec, AgentProbe)
    where = target(check)
    up = True

    async def attempt() -> Finding:
        nonlocal up
        try:
            line = await _line(where, spec.send)
        except ProbeError as error:
            raise InconclusiveError(f"the agent could not be heard: {error}") from None
        said = _understood(line)
        up = up if said.up is None else said.up
        message = f'the agent says "{excerpt(line)}"'
        return Finding(message, Outcome.PASS if up else Outcome.FAIL, said.advice)

    return attempt


async def _line(where: Target, words: bytes) -> bytes:
    """What comes before the first carriage return or line feed, or before the end."""
    connection = await connect(where)
    try:
        await connection.send(words)
        heard = b""
        while not _END.search(heard) and len(heard) <= LINE_LIMIT:
            data = await connection.receive("waiting for the agent's words")
            if not data:
                break
            heard += data
    finally:
        connection.close()
    return _END.split(heard, maxsplit=1)[0]


def _understood(line: bytes) -> Said:
    if not line.strip():
        raise InconclusiveError("the agent said nothing")
    try:
        return understand(line.decode("utf-8", "replace"))
    except ValueError as error:
        raise InconclusiveError(f"the agent is not understood: {error}") from None
