"""The VRRP process: carries out a plan's virtual routers until told to stop.

A child of the supervisor. It starts small, shares its loop with nothing slow, and leaves in
order whatever ends it: priority 0 first, then the addresses.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from typing import Any, TypeAlias

from lvsha.core.mastership import Start, Stop
from lvsha.core.messages import (
    Configure,
    Configured,
    Failover,
    FailoverDone,
    NodeFaults,
    Track,
)
from lvsha.core.messages import Stop as StopProcess
from lvsha.core.plan import VirtualRouter, VrrpPlan
from lvsha.core.types import Family
from lvsha.kernel.addresses import KernelAddresses
from lvsha.kernel.macvlan import KernelMacvlans
from lvsha.kernel.ports import AddressChanges
from lvsha.kernel.routing import KernelRouting
from lvsha.kernel.sysctls import KernelSysctls
from lvsha.kernel.wire import RawWire
from lvsha.runtime import logs
from lvsha.runtime.channel import Channel
from lvsha.runtime.logs import log
from lvsha.runtime.punctual import punctual_loop
from lvsha.runtime.realtime import be_steady
from lvsha.runtime.tasks import run_until_first_ends, spawn
from lvsha.vrrp.groups import Groups
from lvsha.vrrp.handover import hand_over
from lvsha.vrrp.holder import Holder
from lvsha.vrrp.machine import Machine
from lvsha.vrrp.masks import MaskedAddresses, mask_name
from lvsha.vrrp.news import News
from lvsha.vrrp.observations import Lateness
from lvsha.vrrp.paths import PathHolder
from lvsha.vrrp.reporter import Reporter
from lvsha.vrrp.router import RunningRouter
from lvsha.vrrp.segment import Segment, leftovers, native
from lvsha.vrrp.tracking import Tracking
from lvsha.vrrp.unicast import UnicastReceivers

EFFECTS_TIMEOUT = 4.0
"""Seconds the addresses may take to come off before the process goes on without waiting."""

Key: TypeAlias = tuple[str, Family, int]


def main(channel_fd: int, cluster: str, node: str) -> None:
    """Run as the supervisor's child, with the inherited end of its socket pair."""
    for terminals in (signal.SIGINT, signal.SIGHUP):  # the supervisor's to act on
        signal.signal(terminals, signal.SIG_IGN)
    writer = logs.start({"cluster": cluster, "node": node})
    if lacking := be_steady():
        note = f"{', '.join(lacking)}: a busy machine may delay us"
        log.warning("vrrp.ordinary", note=note)
    try:
        with asyncio.Runner(loop_factory=punctual_loop) as runner:
            runner.run(_serve(socket.socket(fileno=channel_fd)))
    finally:
        writer.stop()


async def _serve(end: socket.socket) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    wire, addresses = RawWire(), await KernelAddresses.open()
    routing, macvlans = await KernelRouting.open(), await KernelMacvlans.open(KernelSysctls())
    channel = await Channel.open(end)
    try:
        await VrrpProcess(Machine(addresses, routing, macvlans, wire), channel).run(stop)
    finally:
        await channel.drain()
        channel.close()
        await macvlans.close()
        await routing.close()
        await addresses.close()
        wire.close()


class VrrpProcess:
    """All virtual routers of this node."""

    def __init__(self, machine: Machine, channel: Channel) -> None:
        self._machine = machine
        self._addresses = machine.addresses
        self._wire = machine.wire
        self._channel = channel
        self._plan = VrrpPlan("", "", ())
        self._segments: dict[str, Segment] = {}
        self._unicast = UnicastReceivers(machine.wire)
        self._routers: dict[Key, RunningRouter] = {}
        self._effects: dict[Key, asyncio.Task[None]] = {}
        self._tracking = Tracking(machine.addresses, machine.routing, self._impose)
        self._groups = Groups()
        self._news = News(machine.addresses, self._segments, self._tracking)
        self._lateness = Lateness()
        self._turn = asyncio.Lock()
        self._failure: asyncio.Queue[BaseException] = asyncio.Queue()
        self._reporter = Reporter(channel, self._routers.values(), self._lateness)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set, a Stop message, or the other end of the channel is gone.

        Raises what failed in a timer, a socket's callback or an effect queue, after leaving in
        order: a virtual router that half works is worse than none.
        """
        asyncio.get_running_loop().set_exception_handler(self._note_failure)
        events = self._addresses.events()
        gc.collect()
        gc.freeze()  # what is loaded now lives on: no pause to look through it again
        try:
            await run_until_first_ends(
                {
                    "orders": self._take_orders(),
                    "events": self._news.follow(events),
                    "status": self._reporter.run(),
                    "recheck": self._news.recheck(),
                    "signal": _until(stop),
                    "failure": self._fail(),
                }
            )
        finally:
            self._tracking.close()
            await self._stop(tuple(self._routers))

    async def _take_orders(self) -> None:
        async for message in self._channel.messages():
            match message:
                case Configure(generation, VrrpPlan() as plan):
                    await self._apply(plan)
                    self._channel.send(Configured(generation))
                case Track() | NodeFaults():
                    self._tracking.heard(message)
                case Failover(request, router):
                    error = hand_over(router, self._routers.values(), self._plan)
                    self._reporter.tell()  # whoever hears that it is done looks who is master
                    self._channel.send(FailoverDone(request, error))
                case StopProcess():
                    return
                case _:
                    log.error("message.unexpected", message=type(message).__name__)

    async def _apply(self, plan: VrrpPlan) -> None:
        """By difference: what is the same is not touched, what is new starts last."""
        self._plan = plan
        wanted = {_key(vr): vr for vr in plan.routers}
        await self._stop(
            [
                key
                for key, router in self._routers.items()
                if key not in wanted or wanted[key].virtual_mac != router.plan.virtual_mac
            ]
        )
        for name in {vr.interface for vr in plan.routers} - self._segments.keys():
            self._segments[name] = Segment(name, self._addresses, self._wire, self._unicast)
        virtual = [address.ip for vr in plan.routers for address in vr.all_addresses]
        for segment in self._segments.values():
            segment.virtual_addresses = frozenset(virtual)
            await segment.refresh()
        await self._tracking.configure(plan)
        for key, router in self._routers.items():
            if router.plan != wanted[key]:
                router.reconfigure(wanted[key])
        self._impose()
        await self._start([wanted[key] for key in wanted if key not in self._routers])
        self._reporter.tell()

    async def _start(self, plans: Iterable[VirtualRouter]) -> None:
        routers = await asyncio.gather(*map(self._prepare, plans))
        for router in routers:
            self._routers[_key(router.plan)] = router
            self._segments[router.plan.interface].add(router)
        for segment in self._segments.values():
            segment.settle()
        self._impose()
        self._groups.configure(self._plan.sync_groups, self._routers.values())
        for router in routers:
            router.feed(Start())

    def _impose(self) -> None:
        for router in self._routers.values():
            router.impose(self._tracking.effect(router.plan))

    async def _prepare(self, vr: VirtualRouter) -> RunningRouter:
        """What a crashed predecessor left goes first: there must not be two holders."""
        machine = self._machine
        interface = vr.interface
        addresses: AddressChanges = machine.addresses
        if vr.virtual_mac:
            interface = mask_name(vr)
            addresses = MaskedAddresses(vr, machine.addresses, machine.macvlans)
            await machine.macvlans.remove(interface)
        holder = Holder(vr.name, interface, addresses, machine.wire, self._turn)
        self._work(_key(vr), holder)
        present = self._segments[vr.interface].present
        holder.native = native(vr, present)
        if left := leftovers(vr, present):
            log.warning("vrrp.drift", router=vr.name, left_behind=", ".join(map(str, left)))
            holder.found(left)
            await _in_time(holder.settled())
        paths = PathHolder(vr.name, machine.routing, holder.settled)
        await paths.withdraw(vr)
        return RunningRouter(vr, holder, paths, self._lateness, self._changed)

    async def _stop(self, keys: Iterable[Key]) -> None:
        """Priority 0 from all of them at once, then wait for the addresses to be off."""
        stopping = {key: self._routers[key] for key in keys}
        for key, router in stopping.items():
            if self._effects[key].done():  # it failed, and its addresses still have to go
                self._work(key, router.holder)
            router.feed(Stop())
        if stopping:
            self._reporter.tell()
        await asyncio.gather(*(_in_time(router.settled()) for router in stopping.values()))
        for key, router in stopping.items():
            self._effects.pop(key).cancel()
            router.close()
            del self._routers[key]
            segment = self._segments[router.plan.interface]
            segment.remove(router)
            if not tuple(segment.routers):
                self._segments.pop(segment.name).close()

    def _work(self, key: Key, holder: Holder) -> None:
        work = spawn(f"addresses of virtual router {key[2]} on {key[0]}", holder.run())
        work.add_done_callback(self._note_end)
        self._effects[key] = work

    async def _fail(self) -> None:
        raise await self._failure.get()

    def _note_failure(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if "handle" in context and error is not None:
            self._failure.put_nowait(error)
        else:
            loop.default_exception_handler(context)

    def _note_end(self, work: asyncio.Task[None]) -> None:
        if not work.cancelled() and (error := work.exception()):
            self._failure.put_nowait(error)

    def _changed(self) -> None:
        self._groups.soon()
        self._reporter.soon()


def _key(vr: VirtualRouter) -> Key:
    return vr.interface, vr.family, vr.virtual_router_id


async def _until(stop: asyncio.Event) -> None:
    await stop.wait()


async def _in_time(effects: Awaitable[None]) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(effects, EFFECTS_TIMEOUT)
