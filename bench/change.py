"""One health change: CPU from the deciding probe result to the bytes given to the socket."""

from __future__ import annotations

import asyncio
import time
from ipaddress import IPv4Address

import uvloop

from bench import clusters
from bench.figures import Figure, at_most, quantile
from bench.stage import plan, stage
from lvsha.core.commands import AddDestination
from lvsha.core.plan import DirectorPlan
from lvsha.core.types import Destination, DestinationKey
from lvsha.kernel import requests

SIZES = ((10, 10), (100, 10), (1_000, 10), (5_000, 10), (1, 10_000))
"""Services, and real servers in each."""

CHANGES = 150
PAUSE = 0.005
"""Seconds between two changes."""


def figures() -> list[Figure]:
    found = {size: uvloop.run(changes(*size)) for size in SIZES}
    worst = max(quantile(found[size], 1.0) for size in ((1_000, 10), (1, 10_000)))
    medians = {size: quantile(samples, 0.5) for size, samples in found.items()}
    spread = max(medians.values()) / min(medians.values())
    return [
        at_most("a health change among 10,000 servers, worst CPU", worst * 1e3, 5, "{:.2f} ms"),
        at_most("  dearest size over cheapest, medians", spread, 2, "{:.2f} times"),
        *(_row(size, samples) for size, samples in found.items()),
    ]


def _row(size: tuple[int, int], samples: list[float]) -> Figure:
    services, each = size
    p50, p99, most = (quantile(samples, share) * 1e3 for share in (0.5, 0.99, 1.0))
    words = f"{p50:.2f} / {p99:.2f} / {most:.2f} ms"
    return Figure(f"  {services * each:,} servers in {services:,} services, p50 / p99 / max", words)


async def changes(services: int, each: int) -> list[float]:
    """CPU seconds of each of many changes, spread over the table."""
    wanted = plan(services, each)
    total = services * each
    count = min(CHANGES, total // 2)
    held = [IPv4Address(clusters.SERVER + n * total // count) for n in range(count)]
    async with stage(wanted, frozenset(held)) as at:
        assert at.kernel.sent == [], "nobody had come up, yet something was sent"
        samples = []
        for number, address in enumerate(held):
            began = time.process_time()
            at.orders.let_pass(address)
            async with asyncio.timeout(1):
                while len(at.kernel.sent) == number:
                    await asyncio.sleep(PAUSE)
            ((at_send, data),) = at.kernel.sent[number:]
            assert addition(wanted, each, address) in data
            samples.append(at_send - began)
    return samples


def addition(wanted: DirectorPlan, each: int, address: IPv4Address) -> bytes:
    """The one command that must be sent for a server that came up."""
    service = wanted.services[(int(address) - clusters.SERVER) // each]
    return requests.encode(AddDestination(service.key, Destination(DestinationKey(address, 80))))
