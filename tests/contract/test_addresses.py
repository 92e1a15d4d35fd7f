"""Links and addresses: what is true of the kernel is true of its twin."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_interface

import pytest

from lvsha.core.types import InterfaceAddress
from lvsha.errors import KernelError
from lvsha.kernel.addresses import KernelAddresses
from lvsha.kernel.memory_host import MemoryAddresses
from lvsha.kernel.ports import Addresses, AddressEvent, Event, EventsLost, LinkEvent
from tests.network import own_network, run

FOUR, SIX = ip_interface("192.0.2.1/24"), ip_interface("2001:db8::1/64")
FLOOD = "".join(
    f"addr {verb} 10.0.{n // 200}.{n % 200 + 1}/32 dev v0\n"
    for verb in ("add", "del")
    for n in range(3000)
)


@dataclass
class Host:
    """A host with one cable in `v0`; `plug` moves its far end, `flood` overruns event readers."""

    addresses: Addresses
    plug: Callable[[bool], object]
    flood: Callable[[], object]


@asynccontextmanager
async def kernel_host() -> AsyncIterator[Host]:
    with own_network():
        run("sysctl -qw net.ipv4.conf.all.promote_secondaries=0")
        run("sysctl -qw net.ipv4.conf.default.promote_secondaries=0")
        run("sysctl -qw net.ipv6.conf.default.addr_gen_mode=1")  # no link-local of its own
        run("ip link set lo up; ip link add v0 type veth peer name v1")
        run("ip link set v0 up; ip link set v1 up")
        addresses = await KernelAddresses.open()
        yield Host(
            addresses,
            lambda on: run(f"ip link set v1 {'up' if on else 'down'}"),
            lambda: run("ip -batch -", FLOOD),
        )
        await addresses.close()


@asynccontextmanager
async def memory_host() -> AsyncIterator[Host]:
    addresses = MemoryAddresses("v0")
    yield Host(addresses, lambda on: addresses.set_carrier("v0", on), addresses.lose_events)


@pytest.fixture(
    params=[
        pytest.param(memory_host, id="memory"),
        pytest.param(kernel_host, id="kernel", marks=pytest.mark.netns),
    ]
)
async def host(request: pytest.FixtureRequest) -> AsyncIterator[Host]:
    async with request.param() as host:
        yield host


async def the_event(events: AsyncIterator[Event], wanted: Callable[[Event], bool]) -> Event:
    """The first event of that kind; the others are passed over."""
    async with asyncio.timeout(5):
        async for event in events:
            if wanted(event):
                return event
    raise AssertionError("events ended")


def _is_of(event: Event, address: InterfaceAddress) -> bool:
    return isinstance(event, AddressEvent) and event.address == address


async def refusal(operation: object) -> KernelError:
    with pytest.raises(KernelError) as caught:
        await operation  # type: ignore[misc]
    return caught.value


async def test_an_added_address_is_listed_and_a_removed_one_is_not(host: Host) -> None:
    for address in (FOUR, SIX):
        await host.addresses.add("v0", address)
    assert await host.addresses.addresses("v0") == (FOUR, SIX)
    for address in (FOUR, SIX):
        await host.addresses.remove("v0", address)
    assert await host.addresses.addresses("v0") == ()


@pytest.mark.parametrize("address", [FOUR, SIX])
async def test_adding_twice_is_eexist_and_names_address_and_interface(host, address) -> None:
    await host.addresses.add("v0", address)
    error = await refusal(host.addresses.add("v0", address))
    assert error.errno == errno.EEXIST
    assert str(error).startswith(f"{address} on v0: ")


@pytest.mark.parametrize("address", [FOUR, SIX])
async def test_removing_what_is_not_there_is_eaddrnotavail(host, address) -> None:
    error = await refusal(host.addresses.remove("v0", address))
    assert error.errno == errno.EADDRNOTAVAIL


async def test_ipv4_may_stand_twice_with_different_prefixes_and_ipv6_may_not(host: Host) -> None:
    await host.addresses.add("v0", ip_interface("192.0.2.1/32"))
    await host.addresses.add("v0", ip_interface("192.0.2.1/24"))
    await host.addresses.add("v0", ip_interface("2001:db8::1/128"))
    error = await refusal(host.addresses.add("v0", SIX))
    assert error.errno == errno.EEXIST


async def test_removing_needs_the_right_prefix(host: Host) -> None:
    await host.addresses.add("v0", FOUR)
    error = await refusal(host.addresses.remove("v0", ip_interface("192.0.2.1/32")))
    assert error.errno == errno.EADDRNOTAVAIL


async def test_a_missing_interface_is_enodev_everywhere_and_no_link(host: Host) -> None:
    refused = [
        host.addresses.add("v9", FOUR),
        host.addresses.remove("v9", FOUR),
        host.addresses.addresses("v9"),
        host.addresses.set_up("v9", True),
    ]
    assert {(await refusal(operation)).errno for operation in refused} == {errno.ENODEV}
    assert await host.addresses.link("v9") is None


async def test_addresses_come_in_the_kernels_order(host: Host) -> None:
    """IPv4 oldest first with secondary ones last; IPv6 newest first, link-local behind global."""
    for text in (
        "192.0.2.1/24",
        "192.0.2.2/24",
        "198.51.100.1/24",
        "2001:db8::1/64",
        "fe80::1/64",
        "2001:db8::2/64",
        "fe80::2/64",
    ):
        await host.addresses.add("v0", ip_interface(text))
    assert [str(address) for address in await host.addresses.addresses("v0")] == [
        "192.0.2.1/24",
        "198.51.100.1/24",
        "192.0.2.2/24",
        "2001:db8::2/64",
        "2001:db8::1/64",
        "fe80::2/64",
        "fe80::1/64",
    ]


async def test_the_first_address_of_a_subnet_takes_its_secondaries_along(host: Host) -> None:
    for text in ("192.0.2.1/24", "192.0.2.2/24", "198.51.100.1/24"):
        await host.addresses.add("v0", ip_interface(text))
    await host.addresses.remove("v0", FOUR)
    assert await host.addresses.addresses("v0") == (ip_interface("198.51.100.1/24"),)


async def test_a_link_going_down_loses_its_ipv6_addresses_only(host: Host) -> None:
    await host.addresses.add("v0", FOUR)
    await host.addresses.add("v0", SIX)
    await host.addresses.set_up("v0", False)
    assert await host.addresses.addresses("v0") == (FOUR,)


async def test_a_link_runs_while_it_is_up_and_has_carrier(host: Host) -> None:
    async def state() -> tuple[bool, bool]:
        link = await host.addresses.link("v0")
        assert link is not None
        return link.up, link.running

    events = host.addresses.events()
    async with asyncio.timeout(5):  # a fresh link's carrier is told a moment later
        while await state() != (True, True):
            await asyncio.sleep(0.01)
    host.plug(False)
    await the_event(events, lambda e: isinstance(e, LinkEvent) and not e.link.running)
    assert await state() == (True, False)
    host.plug(True)
    await the_event(events, lambda e: isinstance(e, LinkEvent) and e.link.running)
    await host.addresses.set_up("v0", False)
    assert await state() == (False, False)


async def test_lo_is_a_link_with_an_empty_mac(host: Host) -> None:
    link = await host.addresses.link("lo")
    assert link is not None
    assert (link.name, link.index, link.up, link.mac) == ("lo", 1, True, bytes(6))


@pytest.mark.parametrize("address", [FOUR, SIX])
async def test_events_tell_addresses_that_come_and_go_since_the_call(host, address) -> None:
    """The kernel may say twice that an IPv6 address is there, and says it late."""
    earlier = ip_interface("198.51.100.1/24")
    await host.addresses.add("v0", earlier)
    events = host.addresses.events()
    await host.addresses.add("v0", address)
    event = await the_event(events, lambda e: _is_of(e, address) or _is_of(e, earlier))
    assert event == AddressEvent("v0", address, present=True)
    await host.addresses.remove("v0", address)
    await the_event(events, lambda e: e == AddressEvent("v0", address, present=False))


async def test_two_readers_each_get_every_event(host: Host) -> None:
    readers = host.addresses.events(), host.addresses.events()
    await host.addresses.add("v0", FOUR)
    for events in readers:
        await the_event(events, lambda e: e == AddressEvent("v0", FOUR, present=True))


async def test_a_reader_that_was_overrun_hears_so_and_then_only_what_is_new(host: Host) -> None:
    events = host.addresses.events()
    await host.addresses.add("v0", FOUR)
    await the_event(events, lambda e: e == AddressEvent("v0", FOUR, present=True))
    host.flood()
    await the_event(events, lambda e: isinstance(e, EventsLost))
    await host.addresses.remove("v0", FOUR)
    assert await anext(events) == AddressEvent("v0", FOUR, present=False)


async def test_close_is_final_and_may_come_while_events_are_unread(host: Host) -> None:
    host.addresses.events()
    await host.addresses.add("v0", FOUR)
    await host.addresses.close()


async def test_questions_asked_at_the_same_time_are_all_answered(host: Host) -> None:
    answers = await asyncio.gather(*(host.addresses.addresses("v0") for _ in range(20)))
    assert set(answers) == {await host.addresses.addresses("v0")}
