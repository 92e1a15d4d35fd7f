"""IPVS beside its entries: what is true of the kernel is true of its twin."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import ip_address

import pytest

from lvsha.core.commands import (
    AddDestination,
    AddService,
    Command,
    DeleteDestination,
    DeleteService,
    Flush,
    SetTimeouts,
    StartDaemon,
    StopDaemon,
    Zero,
)
from lvsha.core.types import (
    Destination,
    DestinationKey,
    DestinationStatus,
    Family,
    Forwarding,
    FwmarkKey,
    Key,
    Protocol,
    Service,
    ServiceKey,
    Stats,
    SyncDaemon,
    SyncRole,
    Timeouts,
)
from lvsha.kernel import verdicts
from lvsha.kernel.ipvs import KernelIpvs
from lvsha.kernel.memory import MemoryIpvs
from lvsha.kernel.ports import Ipvs
from tests.contract.conftest import kernel_ipvs

WEB = ServiceKey(Protocol.TCP, ip_address("127.0.0.2"), 80)
MASTER, BACKUP = (SyncDaemon(role, "lo", 1) for role in SyncRole)


def errnos(ipvs: Ipvs, *commands: Command) -> list[int]:
    """Errno of every command, 0 where it was carried out."""
    return [sum(refusal.errno for refusal in ipvs.apply((command,))) for command in commands]


def test_the_version_is_1_2_1_and_the_connection_table_a_power_of_two(ipvs: Ipvs) -> None:
    info = ipvs.info()
    assert info.version == (1, 2, 1)
    assert info.connection_table_size.bit_count() == 1


def test_a_timeout_of_0_stays_as_it_was(ipvs: Ipvs) -> None:
    assert ipvs.timeouts() == Timeouts(900, 120, 300)
    assert errnos(ipvs, SetTimeouts(Timeouts(tcp=60))) == [0]
    assert ipvs.timeouts() == Timeouts(60, 120, 300)
    assert errnos(ipvs, SetTimeouts(Timeouts(tcp_fin=7, udp=8)), SetTimeouts(Timeouts())) == [0, 0]
    assert ipvs.timeouts() == Timeouts(60, 7, 8)


@pytest.mark.parametrize(
    ("largest", "code"),
    [(2**31 - 1, errno.EINVAL), (2**31, errno.EINVAL), (2**32, errno.ERANGE), (-1, errno.ERANGE)],
)
def test_one_timeout_too_long_leaves_all_as_they_were(ipvs: Ipvs, largest: int, code: int) -> None:
    assert errnos(ipvs, SetTimeouts(Timeouts(tcp=1, tcp_fin=2, udp=largest))) == [code]
    assert ipvs.timeouts() == Timeouts(900, 120, 300)


def test_a_daemon_told_nothing_runs_with_the_kernels_defaults(ipvs: Ipvs) -> None:
    assert errnos(ipvs, StartDaemon(BACKUP), StartDaemon(MASTER)) == [0, 0]
    group = ip_address("224.0.0.81")
    master = SyncDaemon(SyncRole.MASTER, "lo", 1, 1500 - 28, group, 8848, 1)
    backup = SyncDaemon(SyncRole.BACKUP, "lo", 1, 65535 - 28, group, 8848, 1)
    assert ipvs.daemons() == (master, backup)


@pytest.mark.parametrize(
    ("role", "group"), [(SyncRole.MASTER, "224.0.0.99"), (SyncRole.BACKUP, "ff02::99")]
)
def test_a_daemon_runs_as_it_was_told(ipvs: Ipvs, role: SyncRole, group: str) -> None:
    wanted = SyncDaemon(role, "lo", 300, 1400, ip_address(group), 9000, 7)
    assert errnos(ipvs, StartDaemon(wanted)) == [0]
    assert ipvs.daemons() == (wanted,)


@pytest.mark.parametrize(
    ("role", "group", "asked", "got"),
    [
        (SyncRole.MASTER, None, 1, 1),
        (SyncRole.BACKUP, None, 1, 1024),
        (SyncRole.MASTER, None, 65535, 65507),
        (SyncRole.BACKUP, "ff02::81", 65535, 65487),
        (SyncRole.BACKUP, "ff02::81", 0, 65487),
    ],
)
def test_a_daemons_message_length_is_kept_within_bounds(
    ipvs: Ipvs, role: SyncRole, group: str | None, asked: int, got: int
) -> None:
    there = ip_address(group) if group else None
    assert errnos(ipvs, StartDaemon(SyncDaemon(role, "lo", 1, asked, there))) == [0]
    assert [daemon.max_length for daemon in ipvs.daemons()] == [got]


@pytest.mark.parametrize(
    ("daemon", "code"),
    [
        (replace(MASTER, interface="nowhere0"), errno.ENODEV),
        (replace(MASTER, interface=""), errno.ENODEV),
        (replace(MASTER, interface="n" * 15), errno.ENODEV),
        (replace(MASTER, interface="n" * 16), errno.EINVAL),
        (replace(MASTER, group=ip_address("10.0.0.1")), errno.EINVAL),
        (replace(MASTER, group=ip_address("2001:db8::1")), errno.EINVAL),
        (replace(MASTER, port=65536), errno.ERANGE),
        (replace(MASTER, ttl=256), errno.ERANGE),
        (replace(MASTER, max_length=65536), errno.ERANGE),
        (replace(MASTER, sync_id=-1), errno.ERANGE),
    ],
)
def test_a_daemon_that_cannot_be_is_refused(ipvs: Ipvs, daemon: SyncDaemon, code: int) -> None:
    assert errnos(ipvs, StartDaemon(daemon)) == [code]
    assert ipvs.daemons() == ()


@pytest.mark.kernel
def test_the_kernels_own_words_come_with_a_refusal_that_has_some() -> None:
    with kernel_ipvs() as ipvs:
        (refusal,) = ipvs.apply([StartDaemon(replace(MASTER, interface="n" * 16))])
    assert "policy" in refusal.text


def test_a_daemon_runs_once_and_stops_once(ipvs: Ipvs) -> None:
    start, stop = StartDaemon(MASTER), StopDaemon(MASTER)
    asked = errnos(ipvs, stop, start, start, StartDaemon(replace(MASTER, interface="nowhere0")))
    assert asked == [errno.ESRCH, 0, errno.EEXIST, errno.ENODEV]
    assert errnos(ipvs, stop, stop) == [0, errno.ESRCH]
    assert ipvs.daemons() == ()


def test_a_daemon_stopped_before_it_first_ran_is_stopped(ipvs: Ipvs) -> None:
    """The kernel never answers that command: waiting for it would be waiting for ever."""
    commands = [StartDaemon(MASTER), StartDaemon(BACKUP), StopDaemon(MASTER), StopDaemon(BACKUP)]
    assert ipvs.apply(commands) == ()
    assert ipvs.daemons() == ()


def test_destinations_of_the_other_family_and_synchronisation_exclude_each_other(
    ipvs: Ipvs,
) -> None:
    other = Destination(DestinationKey(ip_address("2001:db8::9"), 80), Forwarding.TUN)
    add, delete = AddDestination(WEB, other), DeleteDestination(WEB, other.key)
    asked = errnos(ipvs, AddService(Service(WEB)), add, StartDaemon(MASTER), delete)
    assert asked == [0, 0, errno.EINVAL, 0]
    assert errnos(ipvs, StartDaemon(MASTER), add, StopDaemon(MASTER), add) == [
        0,
        errno.EINVAL,
        0,
        0,
    ]
    assert errnos(ipvs, DeleteService(WEB), StartDaemon(MASTER)) == [0, 0]


def test_a_flush_empties_the_table_and_nothing_else(ipvs: Ipvs) -> None:
    mark = FwmarkKey(Family.IPV6, 1)
    adds = [AddService(Service(WEB)), AddService(Service(mark, netmask=128)), StartDaemon(MASTER)]
    assert errnos(ipvs, *adds, SetTimeouts(Timeouts(tcp=60)), Flush(), Flush()) == [0] * 6
    assert ipvs.table() == {}
    assert ipvs.timeouts().tcp == 60
    assert len(ipvs.daemons()) == 1


def test_services_come_in_the_order_of_the_kernels_hash(ipvs: Ipvs) -> None:
    """Up to a number of the namespace's own, XORed into every bucket's."""
    keys: list[Key] = [
        ServiceKey(protocol, ip_address(address), port)
        for protocol in Protocol
        for address in ("192.0.2.1", "192.0.2.200", "2001:db8::1", "2001:db8:ffff::9")
        for port in (80, 443, 8080, 80 + 256 * 7, 81)
    ]
    keys += [FwmarkKey(family, mark) for family in Family for mark in (1, 2, 257, 70000)]
    bits = {Family.IPV4: 32, Family.IPV6: 128}
    assert ipvs.apply([AddService(Service(key, netmask=bits[key.family])) for key in keys]) == ()
    found = [status.service.key for status in ipvs.services()]
    assert list(ipvs.table()) == found
    assert any(found == in_hash_order(keys, number) for number in range(256))


def in_hash_order(keys: list[Key], number: int) -> list[Key]:
    def bucket(key: Key) -> tuple[bool, int]:
        by_mark, place = verdicts.place(key)
        return by_mark, place ^ number

    newest_first = keys[::-1]
    return sorted(newest_first, key=bucket)


BACKEND = Destination(DestinationKey(ip_address("127.0.0.1"), 0), Forwarding.NAT)
Connect = Callable[[Ipvs], Destination]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Adds a destination that has one connection, and keeps that open to the test's end."""
    with ExitStack() as stack:

        def to(ipvs: Ipvs) -> Destination:
            if isinstance(ipvs, KernelIpvs):
                backend = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
                port = backend.getsockname()[1]
                destination = replace(BACKEND, key=replace(BACKEND.key, port=port))
                assert ipvs.apply([AddDestination(WEB, destination)]) == ()
                stack.enter_context(socket.create_connection((str(WEB.address), WEB.port), 5))
                return destination
            assert isinstance(ipvs, MemoryIpvs)
            assert ipvs.apply([AddDestination(WEB, BACKEND)]) == ()
            stats = Stats(connections=1)
            ipvs.observe(WEB, DestinationStatus(BACKEND, active_connections=1, stats=stats))
            return BACKEND

        yield to


def test_a_deleted_destination_finds_its_connections_when_it_is_added_again(
    ipvs: Ipvs, connect: Connect
) -> None:
    assert ipvs.apply([AddService(Service(WEB))]) == ()
    destination = connect(ipvs)
    assert [status.active_connections for status in ipvs.destinations(WEB)] == [1]
    add, delete = AddDestination(WEB, destination), DeleteDestination(WEB, destination.key)
    assert errnos(ipvs, delete, add) == [0, 0]
    assert [status.active_connections for status in ipvs.destinations(WEB)] == [1]
    assert errnos(ipvs, DeleteService(WEB), AddService(Service(WEB)), add) == [0, 0, 0]
    assert [status.active_connections for status in ipvs.destinations(WEB)] == [1]


@pytest.mark.parametrize("what", [WEB, None])
def test_zeroing_clears_counters_and_leaves_connections(
    ipvs: Ipvs, connect: Connect, what: Key | None
) -> None:
    assert ipvs.apply([AddService(Service(WEB))]) == ()
    connect(ipvs)
    deadline = time.monotonic() + 10  # the kernel adds counters up every two seconds
    while ipvs.destinations(WEB)[0].stats.connections != 1 and time.monotonic() < deadline:
        time.sleep(0.1)
    (before,) = ipvs.destinations(WEB)
    assert (before.stats.connections, before.active_connections) == (1, 1)
    assert errnos(ipvs, Zero(what)) == [0]
    (after,) = ipvs.destinations(WEB)
    assert (after.stats.connections, after.active_connections) == (0, 1)
