"""IPVS commands as bytes: hand-checked tables, and pyroute2 as a second reader."""

from __future__ import annotations

import errno
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.generic.ipvs import ipvsmsg

from lvsha.core.commands import (
    AddDestination,
    AddService,
    Command,
    DeleteDestination,
    DeleteService,
    Flush,
    SetDestination,
    SetService,
    SetTimeouts,
    StartDaemon,
    StopDaemon,
    Zero,
)
from lvsha.core.types import (
    Destination,
    DestinationKey,
    Family,
    Forwarding,
    FwmarkKey,
    Key,
    Protocol,
    Service,
    ServiceFlags,
    ServiceKey,
    SyncDaemon,
    SyncRole,
    Timeouts,
    Tunnel,
    TunnelFlags,
    TunnelType,
)
from lvsha.errors import KernelError
from lvsha.kernel import requests
from lvsha.kernel.netlink import HEADER
from tests.entries import destinations, services

WEB = ServiceKey(Protocol.TCP, ip_address("10.0.0.1"), 80)
WEB6 = ServiceKey(Protocol.SCTP, ip_address("2001:db8::1"), 8080)
MARK = FwmarkKey(Family.IPV6, 7)
RS = DestinationKey(ip_address("10.1.0.2"), 8080)

# nlattr and values as include/uapi/linux/ip_vs.h has them, little-endian, a line an attribute.
WEB_BYTES = """
    30000100
      06000100 02000000
      06000200 06000000
      14000300 0a000001000000000000000000000000
      06000400 00500000
"""
MARK_BYTES = "14000100  06000100 0a000000  08000500 07000000"
TABLE: list[tuple[Command, str]] = [
    (
        AddService(Service(WEB, "wrr", ServiceFlags.PERSISTENT, 300, 24)),
        """01010000
        54000100
          06000100 02000000
          06000200 06000000
          14000300 0a000001000000000000000000000000
          06000400 00500000
          08000600 77727200
          0c000700 01000000 ffffffff
          08000800 2c010000
          08000900 ffffff00
        """,
    ),
    (
        SetService(Service(WEB6, "sh", ServiceFlags.SCHED2, 300, 64, "sip")),
        """02010000
        5c000100
          06000100 0a000000
          06000200 84000000
          14000300 20010db8000000000000000000000001
          06000400 1f900000
          07000600 73680000
          0c000700 10000000 ffffffff
          08000800 00000000
          08000900 40000000
          08000b00 73697000
        """,
    ),
    (
        AddService(Service(MARK, "rr", netmask=128)),
        """01010000
        38000100
          06000100 0a000000
          08000500 07000000
          07000600 72720000
          0c000700 00000000 ffffffff
          08000800 00000000
          08000900 80000000
        """,
    ),
    (DeleteService(MARK), "03010000" + MARK_BYTES),
    (
        AddDestination(WEB, Destination(RS, Forwarding.NAT, 3, 100, 50)),
        "05010000"
        + WEB_BYTES
        + """48000200
          14000100 0a010002000000000000000000000000
          06000200 1f900000
          08000300 00000000
          08000400 03000000
          08000500 64000000
          08000600 32000000
          06000b00 02000000
        """,
    ),
    (
        SetDestination(
            WEB,
            Destination(
                DestinationKey(ip_address("2001:db8::9"), 80),
                Forwarding.TUN,
                0,
                tunnel=Tunnel(TunnelType.GUE, 6080, TunnelFlags.REMCSUM),
            ),
        ),
        "06010000"
        + WEB_BYTES
        + """60000200
          14000100 20010db8000000000000000000000009
          06000200 00500000
          08000300 02000000
          08000400 00000000
          08000500 00000000
          08000600 00000000
          06000b00 0a000000
          05000d00 01000000
          06000e00 17c00000
          06000f00 02000000
        """,
    ),
    (
        DeleteDestination(WEB, RS),
        "07010000"
        + WEB_BYTES
        + """28000200
          14000100 0a010002000000000000000000000000
          06000200 1f900000
          06000b00 02000000
        """,
    ),
    (
        StartDaemon(SyncDaemon(SyncRole.BACKUP, "eth0", 9, 1400, ip_address("ff02::81"), 9000, 7)),
        """09010000
        4c000300
          08000100 02000000
          09000200 657468300000 0000
          08000300 09000000
          06000400 78050000
          14000600 ff020000000000000000000000000081
          06000700 28230000
          05000800 07000000
        """,
    ),
    (
        StartDaemon(SyncDaemon(SyncRole.MASTER, "eth0", group=ip_address("224.0.0.99"))),
        """09010000
        28000300
          08000100 01000000
          09000200 657468300000 0000
          08000300 00000000
          08000500 e0000063
        """,
    ),
    (StopDaemon(SyncDaemon(SyncRole.MASTER, "eth0", 9)), "0a010000 0c000300 08000100 01000000"),
    (
        SetTimeouts(Timeouts(900, 0, 300)),
        "0c010000 08000400 84030000 08000500 00000000 08000600 2c010000",
    ),
    (Zero(), "10010000"),
    (Zero(WEB), "10010000" + WEB_BYTES),
    (Flush(), "11010000"),
]


@pytest.mark.parametrize(("command", "expected"), TABLE, ids=lambda value: type(value).__name__)
def test_a_command_is_these_bytes(command: Command, expected: str) -> None:
    assert requests.encode(command).hex(" ", 4) == bytes.fromhex(expected).hex(" ", 4)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (requests.get_services(), "04010000"),
        (requests.get_service(MARK), "04010000" + MARK_BYTES),
        (requests.get_destinations(WEB), "08010000" + WEB_BYTES),
        (requests.get_daemons(), "0b010000"),
        (requests.get_timeouts(), "0d010000"),
        (requests.get_info(), "0f010000"),
    ],
)
def test_a_question_is_these_bytes(body: bytes, expected: str) -> None:
    assert body == bytes.fromhex(expected)


@pytest.mark.parametrize(
    "command",
    [
        AddService(Service(WEB, netmask=33)),
        AddService(Service(WEB, flags=ServiceFlags.PERSISTENT, timeout=-1)),
        AddService(Service(WEB, scheduler="\ud800")),
        AddService(Service(ServiceKey(Protocol.TCP, WEB.address, 65536))),
        DeleteService(FwmarkKey(Family.IPV4, 2**32)),
        AddDestination(WEB, Destination(DestinationKey(RS.address, 65536))),
        AddDestination(WEB, Destination(DestinationKey(RS.address, -1))),
        DeleteDestination(WEB, DestinationKey(RS.address, 65536)),
        AddDestination(WEB, Destination(RS, weight=-1)),
        AddDestination(WEB, Destination(RS, upper_threshold=2**32)),
        AddDestination(WEB, Destination(RS, tunnel=Tunnel(TunnelType.GUE, 65536))),
        StartDaemon(SyncDaemon(SyncRole.MASTER, "eth0", ttl=256)),
        SetTimeouts(Timeouts(udp=2**32)),
    ],
    ids=str,
)
def test_a_value_that_does_not_fit_is_erange_and_named_so(command: Command) -> None:
    with pytest.raises(KernelError, match="a value does not fit its field: ") as caught:
        requests.encode(command)
    assert caught.value.errno == errno.ERANGE


def by_pyroute2(command: Command) -> dict[str, dict[str, Any]]:
    """What pyroute2 reads: outer attribute → inner attributes by name."""
    body = requests.encode(command)
    message = ipvsmsg(HEADER.pack(HEADER.size + len(body), 30, 0, 1, 0) + body)
    message.decode()
    return {name: dict(part["attrs"]) for name, part in message["attrs"]}


@given(services)
def test_pyroute2_reads_the_same_service(service: Service) -> None:
    read = by_pyroute2(AddService(service))["IPVS_CMD_ATTR_SERVICE"]
    flags = read["IPVS_SVC_ATTR_FLAGS"]
    assert flags["flags"] == service.flags
    assert read["IPVS_SVC_ATTR_SCHED_NAME"] == service.scheduler
    assert read.get("IPVS_SVC_ATTR_PE_NAME", "") == service.persistence_engine
    if ServiceFlags.PERSISTENT in service.flags:
        assert read["IPVS_SVC_ATTR_TIMEOUT"] == service.timeout
    key = service.key
    assert read["IPVS_SVC_ATTR_AF"] == key.family
    if isinstance(key, FwmarkKey):
        assert read["IPVS_SVC_ATTR_FWMARK"] == key.mark
    else:
        assert read["IPVS_SVC_ATTR_PROTOCOL"] == key.protocol
        assert ip_address(read["IPVS_SVC_ATTR_ADDR"]) == key.address
        assert read["IPVS_SVC_ATTR_PORT"] == key.port


@given(services.map(lambda service: service.key), destinations, st.booleans())
def test_pyroute2_reads_the_same_destination(key: Key, destination: Destination, new: bool) -> None:
    verb = AddDestination if new else SetDestination
    read = by_pyroute2(verb(key, destination))["IPVS_CMD_ATTR_DEST"]
    assert read["IPVS_DEST_ATTR_ADDR_FAMILY"] == Family.of(destination.key.address)
    assert read["IPVS_DEST_ATTR_PORT"] == destination.key.port
    assert read["IPVS_DEST_ATTR_FWD_METHOD"] == destination.forwarding
    assert read["IPVS_DEST_ATTR_WEIGHT"] == destination.weight
    assert read["IPVS_DEST_ATTR_U_THRESH"] == destination.upper_threshold
    assert read["IPVS_DEST_ATTR_L_THRESH"] == destination.lower_threshold
    assert read.get("IPVS_DEST_ATTR_TUN_TYPE", 0) == destination.tunnel.type
    assert read.get("IPVS_DEST_ATTR_TUN_FLAGS", 0) == destination.tunnel.flags
