"""VRRP between two hosts: what is true of real sockets on a real cable is true of their twin."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest

from lvsha.core.advert import GROUP
from lvsha.core.types import Address, Family
from lvsha.errors import KernelError
from lvsha.kernel.memory_wire import MemoryLan, MemoryWire
from lvsha.kernel.ports import Link, Packet, VrrpSocket, Wire
from lvsha.kernel.wire import RawWire
from tests.network import CLONE_NEWNET, _libc, run

OURS = {Family.IPV4: ip_address("192.0.2.1"), Family.IPV6: ip_address("fe80::1")}
ROUTED = {Family.IPV4: ip_address("192.0.2.1"), Family.IPV6: ip_address("2001:db8::1")}
PEERS = {Family.IPV4: ip_address("192.0.2.2"), Family.IPV6: ip_address("2001:db8::2")}
THEIRS = {Family.IPV4: ip_address("192.0.2.2"), Family.IPV6: ip_address("fe80::2")}
MESSAGE = bytes(range(1, 41))


@dataclass
class Host:
    """`wire` is used inside `at_home()`; `usable` there must know `address` of each family."""

    wire: Wire
    link: Link
    addresses: dict[Family, Address]
    at_home: Callable[[], object]
    opened: list[VrrpSocket] = field(default_factory=list)

    def open(self, family: Family) -> tuple[VrrpSocket, asyncio.Event]:
        readable = asyncio.Event()
        with self.at_home():
            end = self.wire.open(self.link, family, readable.set)
        self.opened.append(end)
        return end, readable


@contextmanager
def visiting(namespace: str) -> Iterator[None]:
    """The thread is in another network namespace; sockets made there stay there."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        with open(f"/run/netns/{namespace}") as door:
            assert _libc.setns(door.fileno(), CLONE_NEWNET) == 0
        yield
    finally:
        _libc.setns(before, CLONE_NEWNET)
        os.close(before)


@contextmanager
def stay() -> Iterator[None]:
    yield


@asynccontextmanager
async def twins() -> AsyncIterator[list[Host]]:
    lan = MemoryLan()
    yield [
        Host(
            memory_wire(lan, name, addresses),
            Link("v0", 2, True, True, bytes(6), 1500),
            addresses,
            stay,
        )
        for name, addresses in (("a", OURS), ("b", THEIRS))
    ]


def memory_wire(lan: MemoryLan, name: str, addresses: dict[Family, Address]) -> MemoryWire:
    """It knows no addresses: those that are not its own are told to it as unusable."""
    wire = MemoryWire(lan, name)
    everybodys = {*OURS.values(), *THEIRS.values(), *ROUTED.values(), *PEERS.values()}
    wire.tentative = everybodys - {*addresses.values(), routed(addresses)}
    return wire


def routed(addresses: dict[Family, Address]) -> Address:
    """The IPv6 address of a host that is good beyond its link."""
    return (ROUTED if addresses is OURS else PEERS)[Family.IPV6]


@asynccontextmanager
async def machines() -> AsyncIterator[list[Host]]:
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    names = [f"lvw{os.getpid()}{side}" for side in "ab"]
    hosts: list[Host] = []
    try:
        for name in names:
            run(f"ip netns add {name}")
            run(f"ip netns exec {name} sysctl -qw net.ipv6.conf.default.addr_gen_mode=1")
        run(f"ip -n {names[0]} link add v0 type veth peer name v0 netns {names[1]}")
        for name, addresses in zip(names, (OURS, THEIRS), strict=True):
            run(f"ip -n {name} addr add {addresses[Family.IPV4]}/24 dev v0")
            run(f"ip -n {name} link set v0 up")
            for address in (addresses[Family.IPV6], routed(addresses)):
                run(f"ip -n {name} addr add {address}/64 dev v0 nodad")
            hosts.append(machine(name, addresses))
        yield hosts
    finally:
        for host in hosts:
            for end in host.opened:
                end.close()
            host.wire.close()
        for name in names:
            with suppress(AssertionError):
                run(f"ip netns del {name}")


def machine(name: str, addresses: dict[Family, Address]) -> Host:
    index, mac = (
        run(f"ip netns exec {name} cat /sys/class/net/v0/{what}").strip()
        for what in ("ifindex", "address")
    )
    link = Link("v0", int(index), True, True, bytes.fromhex(mac.replace(":", "")), 1500)
    with visiting(name):
        wire = RawWire()
    return Host(wire, link, addresses, lambda: visiting(name))


@pytest.fixture(params=[twins, pytest.param(machines, marks=pytest.mark.netns)])
async def hosts(request):
    async with request.param() as made:
        yield made


both = pytest.mark.parametrize("family", list(Family))


async def received(end: VrrpSocket, readable: asyncio.Event) -> Packet:
    async with asyncio.timeout(5):
        while (packet := end.receive()) is None:
            await readable.wait()
            readable.clear()
    return packet


@both
async def test_a_message_arrives_with_its_source_its_group_and_hop_limit_255(hosts, family):
    ours, _ = hosts[0].open(family)
    end, readable = hosts[1].open(family)
    ours.send(MESSAGE, OURS[family], GROUP[family])
    assert await received(end, readable) == Packet(MESSAGE, OURS[family], GROUP[family], 255)


@both
async def test_nobody_hears_itself_and_a_silent_segment_has_nothing(hosts, family):
    ours, _ = hosts[0].open(family)
    theirs, readable = hosts[1].open(family)
    assert theirs.receive() is None
    ours.send(MESSAGE, OURS[family], GROUP[family])
    await received(theirs, readable)
    assert ours.receive() is None


async def test_the_families_do_not_mix(hosts):
    ours, _ = hosts[0].open(Family.IPV4)
    four, readable = hosts[1].open(Family.IPV4)
    six, _ = hosts[1].open(Family.IPV6)
    ours.send(MESSAGE, OURS[Family.IPV4], GROUP[Family.IPV4])
    await received(four, readable)
    assert six.receive() is None


@both
async def test_messages_arrive_in_order(hosts, family):
    ours, _ = hosts[0].open(family)
    end, readable = hosts[1].open(family)
    for number in range(20):
        ours.send(bytes([number] * 8), OURS[family], GROUP[family])
    assert [(await received(end, readable)).data[0] for _ in range(20)] == list(range(20))


@both
async def test_an_address_is_usable_where_it_is(hosts, family):
    with hosts[0].at_home():
        assert hosts[0].wire.usable(hosts[0].link, OURS[family])
        assert not hosts[0].wire.usable(hosts[0].link, THEIRS[family])


@both
async def test_announcing_needs_no_socket_of_vrrp(hosts, family):
    with hosts[0].at_home():
        hosts[0].wire.announce(hosts[0].link, OURS[family])


@both
async def test_a_message_to_one_address_arrives_there_and_only_there(hosts, family):
    ours, heard = open_unicast(hosts[0], ROUTED[family])
    end, readable = open_unicast(hosts[1], PEERS[family])
    group, _ = hosts[1].open(family)
    ours.send(MESSAGE, ROUTED[family], PEERS[family])
    ours.send(MESSAGE[::-1], ROUTED[family], PEERS[family])
    first = await received(end, readable)
    assert first == Packet(MESSAGE, ROUTED[family], PEERS[family], 255)
    assert (await received(end, readable)).data == MESSAGE[::-1]
    group.send(MESSAGE, THEIRS[family], GROUP[family])
    end.send(MESSAGE, PEERS[family], ROUTED[family])
    assert (await received(ours, heard)).destination == ROUTED[family]
    assert ours.receive() is None


@both
async def test_there_is_no_socket_at_an_address_that_is_not_here(hosts, family):
    with pytest.raises(KernelError) as refused:
        open_unicast(hosts[0], PEERS[family])
    assert refused.value.errno == errno.EADDRNOTAVAIL


@both
async def test_who_is_asked_for_makes_the_asking_hosts_link_bring_something(hosts, family):
    asking, asked = hosts
    if isinstance(asking.wire, MemoryWire):
        asking.wire._lan.settle("b", *PEERS.values())
    heard = asyncio.Event()
    with asking.at_home():
        ear = asking.wire.listen(asking.link, heard.set)
        asking.wire.ask(asking.link, PEERS[family])
    async with asyncio.timeout(5):
        await heard.wait()
    ear.close()
    assert asked.link.up


async def test_an_ear_that_is_closed_hears_nothing(hosts):
    asking, _ = hosts
    heard = asyncio.Event()
    with asking.at_home():
        asking.wire.listen(asking.link, heard.set).close()
        asking.wire.ask(asking.link, PEERS[Family.IPV4])
    await asyncio.sleep(0.05)
    assert not heard.is_set()


def open_unicast(host: Host, source: Address) -> tuple[VrrpSocket, asyncio.Event]:
    readable = asyncio.Event()
    with host.at_home():
        end = host.wire.open_unicast(source, readable.set)
    host.opened.append(end)
    return end, readable
