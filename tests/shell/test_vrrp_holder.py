"""The effect queue of one virtual router, on a kernel that refuses, races and forgets."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_interface

import pytest

from lvsha.errors import KernelError
from lvsha.kernel.memory_host import MemoryAddresses
from lvsha.kernel.memory_wire import MemoryLan, MemoryWire
from lvsha.vrrp.holder import Holder

pytestmark = pytest.mark.looptime

A, B = ip_interface("192.0.2.100/32"), ip_interface("192.0.2.101/32")


class Kernel(MemoryAddresses):
    """Refuses what it is told to, and writes down what it was asked."""

    def __init__(self) -> None:
        super().__init__("eth0")
        self.refusal = 0
        self.asked: list[tuple[str, str]] = []

    async def add(self, interface, address):
        await self._ask("add", address)
        await super().add(interface, address)

    async def remove(self, interface, address):
        await self._ask("remove", address)
        await super().remove(interface, address)

    async def _ask(self, verb, address):
        self.asked.append((verb, str(address.ip)))
        await asyncio.sleep(0.01)
        if self.refusal:
            raise KernelError(self.refusal, verb)


@asynccontextmanager
async def holder() -> AsyncIterator[tuple[Holder, Kernel, MemoryLan]]:
    kernel, lan = Kernel(), MemoryLan()
    made = Holder("web", "eth0", kernel, MemoryWire(lan, "lb1"), asyncio.Lock())
    made.link = await kernel.link("eth0")
    work = asyncio.create_task(made.run())
    yield made, kernel, lan
    work.cancel()
    await asyncio.wait([work])


async def test_what_the_kernel_refused_is_tried_again_each_second():
    async with holder() as (made, kernel, _):
        kernel.refusal = errno.ENETDOWN
        made.own((A,))
        await asyncio.sleep(3.5)
        assert kernel.asked == [("add", "192.0.2.100")] * 4
        kernel.refusal = 0
        await made.settled()
        assert await kernel.addresses("eth0") == (A,)


async def test_an_address_that_is_there_already_is_taken_as_ours():
    async with holder() as (made, kernel, _):
        await MemoryAddresses.add(kernel, "eth0", A)
        made.own((A,))
        await made.settled()
        made.own(())
        await made.settled()
        assert await kernel.addresses("eth0") == ()


async def test_only_the_last_order_counts():
    async with holder() as (made, kernel, _):
        made.own((A,))
        made.own(())
        made.own((B,))
        await made.settled()
        assert kernel.asked == [("add", "192.0.2.101")]


async def test_an_order_given_during_the_work_is_worked_towards_next():
    async with holder() as (made, kernel, _):
        made.own((A, B))
        await asyncio.sleep(0.005)
        made.own(())
        await made.settled()
        assert await kernel.addresses("eth0") == ()


async def test_addresses_are_announced_after_they_are_there_and_not_before():
    async with holder() as (made, _, lan):
        made.own((A,))
        made.announce()
        await asyncio.sleep(1)
        added = 0.01
        assert [(at, str(address)) for at, _, address in lan.announced] == [
            (pytest.approx(added, abs=0.005), "192.0.2.100")
        ] * 5


async def test_addresses_of_both_families_are_announced_in_the_files_order():
    six = ip_interface("2001:db8::100/64")
    async with holder() as (made, _, lan):
        made.own((B, six, A))
        await made.settled()
        made.announce()
        await asyncio.sleep(1)
        announced = [str(address) for _, _, address in lan.announced]
        assert announced == ["192.0.2.101", "2001:db8::100", "192.0.2.100"] * 5


async def test_an_address_the_kernel_took_late_is_announced_when_it_is_there():
    async with holder() as (made, kernel, lan):
        kernel.refusal = errno.ENETDOWN
        made.own((A,))
        made.announce()
        await asyncio.sleep(2.5)
        kernel.refusal = 0
        await asyncio.sleep(1)
        assert len(lan.announced) == 5


async def test_a_second_master_that_stays_does_not_make_a_storm():
    async with holder() as (made, _, lan):
        made.own((A,))
        for _ in range(100):
            made.announce()
            await asyncio.sleep(0.1)
        assert 40 <= len(lan.announced) <= 55  # five copies, once a second, for ten seconds


async def test_an_interface_that_vanished_took_its_addresses_along():
    async with holder() as (made, kernel, _):
        made.own((A,))
        await made.settled()
        kernel.unplug("eth0")
        made.own(())
        await made.settled()


async def test_our_own_removal_is_not_taken_for_somebody_elses():
    async with holder() as (made, kernel, _):
        made.own((A,))
        await made.settled()
        made.own(())
        await made.settled()
        made.own((A,))
        await made.settled()
        made.vanished(A)  # the kernel's word on the first removal comes late
        await asyncio.sleep(0.1)
        assert kernel.asked == [
            ("add", "192.0.2.100"), ("remove", "192.0.2.100"), ("add", "192.0.2.100"),
        ]  # fmt: skip
