"""What a destination costs in Python on its way to the kernel and back, beside pyroute2.

No kernel takes part: values → the bytes of a send, and the bytes of a dump → values. Figures
are the best of several rounds in one run, CPU time, on this machine: read the ratios.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from ipaddress import ip_address

from pyroute2.ipvs import IPVSDest, IPVSService
from pyroute2.netlink.generic import ipvs

from bench import told
from bench.figures import Figure, at_most
from lvsha.core.commands import AddDestination
from lvsha.core.types import (
    Destination,
    DestinationKey,
    Family,
    Protocol,
    ServiceKey,
)
from lvsha.kernel import entries, requests
from lvsha.kernel.genetlink import framed
from lvsha.kernel.netlink import GENERIC, HEADER

DESTINATIONS, SERVICES = 10_000, 1_000
PEERS_DESTINATIONS = 200
ROUNDS = 5
FAMILY = 30


def figures() -> list[Figure]:
    commands = _commands(DESTINATIONS)
    packing = _cost(lambda: _pack(commands), DESTINATIONS)
    few = commands[:PEERS_DESTINATIONS]
    peers_packing = _cost(lambda: [_pack_by_pyroute2(command) for command in few], len(few))

    entries_told = [told.destination(command.destination) for command in commands]
    table = _cost(lambda: _read_anew(entries_told), DESTINATIONS)
    again = _cost(lambda: entries.destinations(entries_told, Family.IPV4), DESTINATIONS)
    counters = _cost(lambda: entries.destination_statuses(entries_told, Family.IPV4), DESTINATIONS)
    answers = [_message(entry) for entry in entries_told[:PEERS_DESTINATIONS]]
    peers_reading = _cost(lambda: [_read_by_pyroute2(answer) for answer in answers], len(answers))

    return [
        at_most("packing a destination", packing, 15, "{:.1f} µs"),
        _beside("pack a destination to add", packing, peers_packing),
        _beside("read a destination of a table", table, peers_reading),
        _beside("read one told before", again, peers_reading),
        _beside("read one told before with its counters", counters, peers_reading),
    ]


def _beside(what: str, ours: float, peers: float) -> Figure:
    words = f"{ours:.1f} µs, {peers:.0f} µs, {peers / ours:.0f} times"
    return Figure(f"  {what}: lvsha, pyroute2, ratio", words)


def _cost(work: Callable[[], object], count: int) -> float:
    """Microseconds of CPU for one of `count`."""
    best = float("inf")
    for _ in range(ROUNDS):
        gc.collect()
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best / count * 1e6


def _commands(count: int) -> list[AddDestination]:
    """As a reconciler makes them: addresses and keys of their own, services in turn."""
    each = DESTINATIONS // SERVICES
    return [
        AddDestination(
            ServiceKey(Protocol.TCP, ip_address(0x0A000000 + number // each), 80),
            Destination(DestinationKey(ip_address(0x0B000000 + number), 80), weight=number),
        )
        for number in range(count)
    ]


def _pack(commands: list[AddDestination]) -> bytes:
    return framed(FAMILY, [requests.encode(command) for command in commands], 1)


def _read_anew(entries_told: list[bytes]) -> object:
    entries._usual.cache_clear()
    return entries.destinations(entries_told, Family.IPV4)


def _pack_by_pyroute2(command: AddDestination) -> bytes:
    """What its `dest("add", …)` does before the message leaves."""
    key, destination = command.service, command.destination
    assert isinstance(key, ServiceKey)
    service = IPVSService(addr=str(key.address), port=key.port, protocol=key.protocol)
    dest = IPVSDest(
        addr=str(destination.key.address), port=destination.key.port, weight=destination.weight
    )
    message = ipvs.ipvsmsg()
    message["cmd"] = ipvs.IPVS_CMD_NEW_DEST
    message["version"] = 1
    message["attrs"] = [
        ("IPVS_CMD_ATTR_SERVICE", service.dump_key()),
        ("IPVS_CMD_ATTR_DEST", dest.dump_nla()),
    ]
    message.encode()
    return bytes(message.data)


def _read_by_pyroute2(answer: bytes) -> object:
    message = ipvs.ipvsmsg(answer)
    message.decode()
    return IPVSDest.from_message(message)


def _message(entry: bytes) -> bytes:
    body = GENERIC.pack(ipvs.IPVS_CMD_NEW_DEST, 1, 0) + entry
    return HEADER.pack(HEADER.size + len(body), FAMILY, 2, 1, 0) + body
