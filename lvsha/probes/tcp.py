"""The `tcp` check: the target accepts a connection."""

from __future__ import annotations

from lvsha.core.plan import Check
from lvsha.probes.connection import connect, target
from lvsha.probes.engine import Attempt


def tcp(check: Check) -> Attempt:
    """An attempt connects and closes at once."""
    where = target(check.address, check.port)

    async def attempt() -> str:
        connection = await connect(where)
        connection.close()
        return "connected"

    return attempt
