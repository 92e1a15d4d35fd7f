"""IPVS answers as values: bytes of a real kernel, round trips through our own, and garbage."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsha.core.commands import AddDestination, AddService, StartDaemon
from lvsha.core.types import (
    Destination,
    DestinationKey,
    DestinationStatus,
    Family,
    Forwarding,
    FwmarkKey,
    IpvsInfo,
    Protocol,
    Service,
    ServiceFlags,
    ServiceKey,
    Stats,
    SyncDaemon,
    SyncRole,
    Timeouts,
    Tunnel,
    TunnelFlags,
    TunnelType,
)
from lvsha.errors import KernelError
from lvsha.kernel import entries, requests, settings
from lvsha.kernel.netlink import BE16, GENERIC, U8, U16, U32, attribute, attributes
from lvsha.kernel.nla import Attr, Dest, Svc
from tests.entries import daemons, destinations, services

# What Linux 6.1 answered, without its counters.
WEB_ENTRY = """
    54000100
      06000100 02000000
      06000200 06000000
      14000300 0a000001000000000000000000000000
      06000400 00500000
      08000600 77727200
      0c000700 13000000 ffffffff
      08000800 2c010000
      08000900 ffffff00
"""
MARK_ENTRY = """
    38000100
      06000100 0a000000
      08000500 07000000
      07000600 73680000
      0c000700 0a000000 ffffffff
      08000800 2c010000
      08000900 40000000
"""
TUNNEL_ENTRY = """
    78000200
      14000100 0a010002000000000000000000000000
      06000200 00500000
      08000300 02000000
      08000400 01000000
      05000d00 01000000
      06000e00 17c00000
      06000f00 02000000
      08000500 00000000
      08000600 00000000
      08000700 03000000
      08000800 04000000
      08000900 05000000
      06000b00 02000000
"""
DAEMONS = [
    "4000030008000100010000000b00020064756d6d79300000080003000300000006000400c0050000"
    "0600070090220000050008000100000008000500e0000051",
    "4c00030008000100020000000b00020064756d6d79300000080003000400000006000400d0070000"
    "0600070028230000050008000700000014000600ff020000000000000000000000000081",
]

WEB = Service(
    ServiceKey(Protocol.TCP, ip_address("10.0.0.1"), 80),
    "wrr",
    ServiceFlags.PERSISTENT | ServiceFlags.SCHED2,
    300,
    24,
)
TUNNELLED = Destination(
    DestinationKey(ip_address("10.1.0.2"), 80),
    Forwarding.TUN,
    tunnel=Tunnel(TunnelType.GUE, 6080, TunnelFlags.REMCSUM),
)


def test_a_service_of_a_real_kernel_loses_the_kernels_own_flag() -> None:
    assert entries.services([bytes.fromhex(WEB_ENTRY)]) == (WEB,)


def test_a_service_without_persistence_has_no_persistence_time() -> None:
    expected = Service(FwmarkKey(Family.IPV6, 7), "sh", ServiceFlags.SCHED1, 0, 64)
    assert entries.services([bytes.fromhex(MARK_ENTRY)]) == (expected,)


def test_a_service_of_a_protocol_without_a_name_is_left_out() -> None:
    ospf = bytes.fromhex(WEB_ENTRY.replace("06000200 06", "06000200 59"))
    assert entries.services([ospf, bytes.fromhex(WEB_ENTRY)]) == (WEB,)


def test_a_destination_of_a_real_kernel_comes_with_its_connections() -> None:
    entry = bytes.fromhex(TUNNEL_ENTRY)
    assert entries.destinations([entry], Family.IPV4) == (TUNNELLED,)
    (status,) = entries.destination_statuses([entry], Family.IPV4)
    assert status == DestinationStatus(TUNNELLED, 3, 4, 5)


def test_daemons_of_a_real_kernel() -> None:
    assert settings.daemons(map(bytes.fromhex, DAEMONS)) == (
        SyncDaemon(SyncRole.MASTER, "dummy0", 3, 1472, ip_address("224.0.0.81"), 8848, 1),
        SyncDaemon(SyncRole.BACKUP, "dummy0", 4, 2000, ip_address("ff02::81"), 9000, 7),
    )


def test_version_and_timeouts_of_a_real_kernel() -> None:
    told = bytes.fromhex("08000100010201000800020000100000")
    assert settings.info(told) == IpvsInfo((1, 2, 1), 4096)
    told = bytes.fromhex("08000400840300000800050078000000080006002c010000")
    assert settings.timeouts(told) == Timeouts(900, 120, 300)
    assert settings.timeouts(b"") == Timeouts()


def counters(kind: int, values: tuple[int, ...], sizes: list[int]) -> bytes:
    told = zip(range(1, 11), values, sizes, strict=True)
    parts = [attribute(number, value.to_bytes(size, "little")) for number, value, size in told]
    return attribute(kind, b"".join(parts))


NARROW = counters(Svc.STATS, tuple(range(1, 11)), [4, 4, 4, 8, 8, 4, 4, 4, 4, 4])
WIDE = counters(Svc.STATS64, tuple(range(2**40, 2**40 + 10)), [8] * 10)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (NARROW, Stats(*range(1, 11))),
        (NARROW + WIDE, Stats(*range(2**40, 2**40 + 10))),
        (b"", Stats()),
    ],
    ids=["32 bits", "both", "none"],
)
def test_64_bit_counters_are_taken_where_there_are_any(told: bytes, expected: Stats) -> None:
    entry = bytes.fromhex(WEB_ENTRY)
    (status,) = entries.service_statuses([attribute(Attr.SERVICE, entry[4:] + told)])
    assert status.stats == expected
    (destination,) = entries.destination_statuses(
        [attribute(Attr.DEST, bytes.fromhex(TUNNEL_ENTRY)[4:] + told)], Family.IPV4
    )
    assert destination.stats == expected


@given(services)
def test_a_service_survives_encoding_and_decoding(service: Service) -> None:
    told = requests.encode(AddService(service))[GENERIC.size :]
    assert entries.services([told]) == (service,)


@given(daemons)
def test_a_daemon_survives_encoding_and_decoding(daemon: SyncDaemon) -> None:
    told = requests.encode(StartDaemon(daemon))[GENERIC.size :]
    assert settings.daemons([told]) == (daemon,)


def as_kernels_tell(destination: Destination, counts: tuple[int, int, int]) -> list[bytes]:
    """The attributes ip_vs_genl_fill_dest puts, in its order."""
    key, tunnel = destination.key, destination.tunnel
    active, inactive, persistent = counts
    return [
        attribute(Dest.ADDR, key.address.packed.ljust(16, b"\0")),
        attribute(Dest.PORT, BE16.pack(key.port)),
        attribute(Dest.FWD_METHOD, U32.pack(destination.forwarding)),
        attribute(Dest.WEIGHT, U32.pack(destination.weight)),
        attribute(Dest.TUN_TYPE, U8.pack(tunnel.type)),
        attribute(Dest.TUN_PORT, BE16.pack(tunnel.port)),
        attribute(Dest.TUN_FLAGS, U16.pack(tunnel.flags)),
        attribute(Dest.U_THRESH, U32.pack(destination.upper_threshold)),
        attribute(Dest.L_THRESH, U32.pack(destination.lower_threshold)),
        attribute(Dest.ACTIVE_CONNS, U32.pack(active)),
        attribute(Dest.INACT_CONNS, U32.pack(inactive)),
        attribute(Dest.PERSIST_CONNS, U32.pack(persistent)),
        attribute(Dest.ADDR_FAMILY, U16.pack(Family.of(key.address))),
    ]


@given(destinations, st.tuples(*[st.integers(0, 2**32 - 1)] * 3), st.data())
def test_a_destination_reads_the_same_in_any_order_of_its_attributes(
    destination: Destination, counts: tuple[int, int, int], data: st.DataObject
) -> None:
    parts = as_kernels_tell(destination, counts)
    shuffled = data.draw(st.permutations(parts))
    for told in (parts, shuffled):
        entry = attribute(Attr.DEST, b"".join(told))
        assert entries.destinations([entry], Family.IPV4) == (destination,)
        (status,) = entries.destination_statuses([entry], Family.IPV4)
        assert status == DestinationStatus(destination, *counts)


@given(destinations)
def test_what_is_sent_for_a_destination_is_what_is_told_of_it(destination: Destination) -> None:
    body = requests.encode(AddDestination(WEB.key, destination))[GENERIC.size :]
    sent = attributes(attributes(body)[Attr.DEST])
    told = attributes(b"".join(as_kernels_tell(destination, (0, 0, 0))))
    without_tunnel = {Dest.TUN_TYPE, Dest.TUN_PORT, Dest.TUN_FLAGS} - sent.keys()
    assert bool(without_tunnel) == (destination.tunnel == Tunnel())
    counts = {Dest.ACTIVE_CONNS, Dest.INACT_CONNS, Dest.PERSIST_CONNS}
    assert sent == {kind: told[kind] for kind in told.keys() - counts - without_tunnel}


def test_a_kernel_that_tells_no_family_means_the_services() -> None:
    """Before Linux 3.18; and none before 5.3 tells of tunnels."""
    plain = replace(TUNNELLED, forwarding=Forwarding.DR, tunnel=Tunnel())
    parts = as_kernels_tell(plain, (0, 0, 0))
    old = attribute(Attr.DEST, b"".join([*parts[:4], *parts[7:12], NARROW]))
    assert entries.destinations([old], Family.IPV4) == (plain,)
    (status,) = entries.destination_statuses([old], Family.IPV4)
    assert status == DestinationStatus(plain, stats=Stats(*range(1, 11)))


READERS: list[Callable[[bytes], object]] = [
    lambda told: entries.services([told]),
    lambda told: entries.service_statuses([told]),
    lambda told: entries.destinations([told], Family.IPV4),
    lambda told: entries.destination_statuses([told], Family.IPV6),
    lambda told: settings.daemons([told]),
    settings.info,
    settings.timeouts,
]
REAL = [*map(bytes.fromhex, (WEB_ENTRY, MARK_ENTRY, TUNNEL_ENTRY, *DAEMONS))]
PIECES = st.builds(lambda entry, end: entry[:end], st.sampled_from(REAL), st.integers(0, 130))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    entry = bytearray(draw(st.sampled_from(REAL)))
    for _ in range(draw(st.integers(1, 4))):
        entry[draw(st.integers(0, len(entry) - 1))] = draw(st.integers(0, 255))
    return bytes(entry)


def errno_of(read: Callable[[bytes], object], told: bytes) -> int:
    try:
        read(told)
    except KernelError as error:
        return error.errno
    return 0


@pytest.mark.parametrize("read", READERS)
@given(told=st.one_of(st.binary(max_size=200), PIECES, damaged()))
def test_garbage_is_a_kernel_error_or_a_value(read: Callable[[bytes], object], told: bytes) -> None:
    assert errno_of(read, told) in (0, errno.EBADMSG)


@pytest.mark.parametrize(
    ("read", "told", "words"),
    [
        (READERS[0], b"", "services without attribute"),
        (READERS[0], b"\x03\0\x01\0", "attribute of 3 bytes in 4"),
        (READERS[0], b"\x09\0\x01\0", "attribute of 9 bytes in 4"),
        (READERS[2], bytes.fromhex(TUNNEL_ENTRY.replace("08000300 02", "08000300 06")), "method 6"),
        (READERS[2], bytes.fromhex(TUNNEL_ENTRY.replace("05000d00 01", "05000d00 09")), "9 is not"),
        (READERS[5], bytes.fromhex("060001000102 0000"), "info: unpack requires"),
    ],
)
def test_a_malformed_answer_says_what_is_wrong(
    read: Callable[[bytes], object], told: bytes, words: str
) -> None:
    with pytest.raises(KernelError, match=f"^netlink: malformed answer: .*{words}"):
        read(told)
