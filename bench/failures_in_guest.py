"""The part of `bench.failures` that runs beside a real IPVS: prints what it measured as JSON.

This process plays all servers, breaks and mends them, and looks at both tables in turn. A server
is broken a given share of the interval after it was asked, the shares spread evenly: as a random
phase is in the long run, but without the luck of the draw, which with 30 trials is worth a tenth
of a second. It is mended so after its removal, too, over the longest pause there is between two
probes that could find it well.
"""

from __future__ import annotations

import asyncio
import json

import uvloop

from bench.contest import LOOK, Contest, Table
from bench.faulty import Fault, Server, Servers
from bench.rivals import INTERVAL, RIVALS, TIMEOUT
from lvsha.lab.topology import Lab

TRIALS = 30
"""Of each fault and program; also the servers of each."""

CALM = 1.5
"""Seconds a server is well before its next fault, at least."""

STRIDE = 11
"""Has no divisor in common with TRIALS: every share once, in another order."""

Times = dict[str, list[tuple[float, float]]]
"""Seconds to the removal and to the return, by fault."""


async def trials() -> dict[str, Times]:
    found: dict[str, Times] = {rival.name: {fault.value: [] for fault in Fault} for rival in RIVALS}
    with Lab() as lab:
        contest = Contest(lab, TRIALS)
        with contest.home.entered():
            servers = Servers(contest.addresses, TIMEOUT)
        with contest.begun("http", LOOK):
            await contest.settled()
            async with asyncio.TaskGroup() as group:
                for rival, table in contest.tables.items():
                    for number, address in enumerate(rival.addresses(TRIALS)):
                        server = servers.every[address]
                        story = course(servers, server, table, number, found[rival.name])
                        group.create_task(story, name=address)
        servers.close()
    return found


async def course(servers: Servers, server: Server, table: Table, number: int, found: Times) -> None:
    """One server through all faults, each server beginning with another one."""
    faults = list(Fault)
    for turn in range(len(faults)):
        fault = faults[(number + turn) % len(faults)]
        await server.next_question()
        await asyncio.sleep(share(number) * INTERVAL)
        broken = servers.fail(server, fault)
        removed = await table.until(server.address, present=False)
        await asyncio.sleep(share(number * STRIDE) * (INTERVAL + TIMEOUT))
        mended = servers.mend(server)
        returned = await table.until(server.address, present=True)
        found[fault.value].append((removed - broken, returned - mended))
        await asyncio.sleep(CALM)


def share(number: int) -> float:
    return (number % TRIALS + 0.5) / TRIALS


if __name__ == "__main__":
    print(json.dumps(uvloop.run(trials())))
