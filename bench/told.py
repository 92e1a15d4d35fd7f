"""Services and destinations as a kernel since 5.3 tells them, counters and all."""

from __future__ import annotations

from lvsha.core.commands import AddService
from lvsha.core.types import Destination, Family, Service
from lvsha.kernel import requests
from lvsha.kernel.netlink import BE16, GENERIC, U8, U16, U32, attribute
from lvsha.kernel.nla import Attr, Dest, Svc

_COUNTERS = [(kind, 8 if kind in (4, 5) else 4) for kind in range(1, 11)]


def service(value: Service) -> bytes:
    said = requests.encode(AddService(value))[GENERIC.size + 4 :]
    return attribute(Attr.SERVICE, said + _counters(Svc.STATS, Svc.STATS64))


def destination(value: Destination) -> bytes:
    key = value.key
    zeros = (Dest.U_THRESH, Dest.L_THRESH, Dest.ACTIVE_CONNS, Dest.INACT_CONNS, Dest.PERSIST_CONNS)
    parts = [
        attribute(Dest.ADDR, key.address.packed.ljust(16, b"\0")),
        attribute(Dest.PORT, BE16.pack(key.port)),
        attribute(Dest.FWD_METHOD, U32.pack(value.forwarding)),
        attribute(Dest.WEIGHT, U32.pack(value.weight)),
        attribute(Dest.TUN_TYPE, U8.pack(0)),
        attribute(Dest.TUN_PORT, U16.pack(0)),
        attribute(Dest.TUN_FLAGS, U16.pack(0)),
        *(attribute(kind, U32.pack(0)) for kind in zeros),
        attribute(Dest.ADDR_FAMILY, U16.pack(Family.of(key.address))),
        _counters(Dest.STATS, Dest.STATS64),
    ]
    return attribute(Attr.DEST, b"".join(parts))


def _counters(short: int, long: int) -> bytes:
    return attribute(
        short, b"".join(attribute(kind, bytes(size)) for kind, size in _COUNTERS)
    ) + attribute(long, b"".join(attribute(kind, bytes(8)) for kind, _ in _COUNTERS))
