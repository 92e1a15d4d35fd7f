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
from lvsha.kernel.netlink import BE16, GENERIC, HEADER, U8, U16, U32, attribute
from lvsha.kernel.nla import Attr, Dest

DESTINATIONS, SERVICES = 10_000, 1_000
PEERS_DESTINATIONS = 200
ROUNDS = 5
FAMILY = 30


def main() -> None:
    """Print the table."""
    commands = _commands(DESTINATIONS)
    packing = _cost(lambda: _pack(commands), DESTINATIONS)
    few = commands[:PEERS_DESTINATIONS]
    peers_packing = _cost(lambda: [_pack_by_pyroute2(command) for command in few], len(few))

    told = [_told(command.destination) for command in commands]
    table = _cost(lambda: entries.destinations(told, Family.IPV4), DESTINATIONS)
    counters = _cost(lambda: entries.destination_statuses(told, Family.IPV4), DESTINATIONS)
    answers = [_message(entry) for entry in told[:PEERS_DESTINATIONS]]
    peers_reading = _cost(lambda: [_read_by_pyroute2(answer) for answer in answers], len(answers))

    print(f"{'µs a destination':<34}{'lvsha':>8}{'pyroute2':>10}{'ratio':>8}")
    _row("pack one to add", packing, peers_packing)
    _row("read one of a table", table, peers_reading)
    _row("read one with its counters", counters, peers_reading)


def _row(what: str, ours: float, peers: float) -> None:
    print(f"{what:<34}{ours:>8.1f}{peers:>10.1f}{peers / ours:>7.0f}x")


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


def _told(destination: Destination) -> bytes:
    """A destination as a kernel since 5.3 tells it, counters and all."""
    key = destination.key
    stats = [(kind, 8 if kind in (4, 5) else 4) for kind in range(1, 11)]
    parts = [
        attribute(Dest.ADDR, key.address.packed.ljust(16, b"\0")),
        attribute(Dest.PORT, BE16.pack(key.port)),
        attribute(Dest.FWD_METHOD, U32.pack(destination.forwarding)),
        attribute(Dest.WEIGHT, U32.pack(destination.weight)),
        attribute(Dest.TUN_TYPE, U8.pack(0)),
        attribute(Dest.TUN_PORT, U16.pack(0)),
        attribute(Dest.TUN_FLAGS, U16.pack(0)),
        *(
            attribute(kind, U32.pack(0))
            for kind in (
                Dest.U_THRESH,
                Dest.L_THRESH,
                Dest.ACTIVE_CONNS,
                Dest.INACT_CONNS,
                Dest.PERSIST_CONNS,
            )
        ),
        attribute(Dest.ADDR_FAMILY, U16.pack(Family.of(key.address))),
        attribute(Dest.STATS, b"".join(attribute(kind, bytes(size)) for kind, size in stats)),
        attribute(Dest.STATS64, b"".join(attribute(kind, bytes(8)) for kind, _ in stats)),
    ]
    return attribute(Attr.DEST, b"".join(parts))


def _message(entry: bytes) -> bytes:
    body = GENERIC.pack(ipvs.IPVS_CMD_NEW_DEST, 1, 0) + entry
    return HEADER.pack(HEADER.size + len(body), FAMILY, 2, 1, 0) + body


if __name__ == "__main__":
    main()
