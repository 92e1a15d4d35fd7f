"""One running virtual router: a timer and a socket in front of `core.election`, effects behind it.

Advertisements leave inline, before anything that may wait. A timeout is believed only after the
socket was read empty: what arrived before the deadline may be waiting there.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from lvsha.core.authentication import Password
from lvsha.core.election import begin, step
from lvsha.core.mastership import (
    STOPPING,
    Action,
    Advertise,
    Announce,
    Changed,
    Conflict,
    Event,
    Faults,
    Forgiven,
    Listen,
    Own,
    Received,
    Reconfigure,
    Router,
    SetPriority,
    State,
    Timeout,
)
from lvsha.core.messages import RouterStatus
from lvsha.core.plan import VirtualRouter
from lvsha.core.tracking import Effect
from lvsha.core.types import Address
from lvsha.errors import KernelError
from lvsha.kernel.ports import Packet
from lvsha.runtime.logs import log
from lvsha.vrrp.gate import Gate
from lvsha.vrrp.holder import Holder
from lvsha.vrrp.hooks import HookQueue
from lvsha.vrrp.masks import MaskedReceiver
from lvsha.vrrp.observations import Lateness, OncePerMinute
from lvsha.vrrp.paths import PathHolder
from lvsha.vrrp.receiver import Receiver


class RunningRouter:
    """Made stopped: `place` says where it stands, `feed(Start())` begins.

    `changed` is called after everything that a status may show differently, `listen` to find out
    whether its link brings anything.
    """

    def __init__(
        self,
        vr: VirtualRouter,
        holder: Holder,
        paths: PathHolder,
        lateness: Lateness,
        changed: Callable[[], None],
    ) -> None:
        self.plan = vr
        self.holder = holder
        self._paths = paths
        self._vr = vr
        holder.garp = vr.garp
        self._router = begin(vr)
        self._since = time.time()
        self._lateness = lateness
        self._changed = changed
        self.hooks = HookQueue(vr.name, changed)
        self._receiver: Receiver | MaskedReceiver | None = None
        self._here: frozenset[str] = frozenset()
        self._outside = Effect(vr.priority)
        self._shared: frozenset[str] = frozenset()
        self.is_grouped = False
        self._timer: asyncio.TimerHandle | None = None
        self.listen: Callable[[], None] = lambda: None
        self._said = OncePerMinute()
        self._gate = Gate(vr, self._warn_once)
        self._counters = self._gate.counters
        self._counters.update({"sent": 0, "received": 0})
        _warn_of_password(vr)

    @property
    def state(self) -> State:
        return self._router.state

    @property
    def faults(self) -> frozenset[str]:
        return self._router.faults

    @property
    def source(self) -> Address | None:
        return self._vr.source

    @property
    def standing(self) -> Router:
        """All that the election knows of it."""
        return self._router

    @property
    def own_faults(self) -> frozenset[str]:
        """Those it does not merely share with others of its sync group."""
        return self._here | self._outside.faults

    def feed(self, event: Event) -> None:
        """Let something happen to the router, and do at once what it asks for."""
        self._happen(event, asyncio.get_running_loop().time())

    def place(
        self,
        receiver: Receiver | MaskedReceiver | None,
        source: Address | None,
        faults: frozenset[str],
    ) -> None:
        """Where the router stands now: its socket, its address, and all that is wrong with them."""
        self._receiver = receiver
        if source != self._vr.source:
            self._become(replace(self._vr, source=source))
        self._here = faults
        self._tell_faults()

    def impose(self, outside: Effect) -> None:
        """What comes of everything else: the priority now, and faults that are not this place's."""
        self._outside = outside
        if outside.priority != self._router.priority:
            self.feed(SetPriority(outside.priority))
        self._tell_faults()

    def reconfigure(self, vr: VirtualRouter) -> None:
        """Other parameters for the same virtual router; mastership is kept."""
        if vr.authentication != self.plan.authentication:
            _warn_of_password(vr)
        self.plan = vr
        self._become(replace(vr, source=self._vr.source))
        self._changed()

    def receive(self, packet: Packet) -> None:
        """A packet with our VRID arrived."""
        if packet.source == self._vr.source:
            self._counters["own"] += 1
            return
        ad = self._gate.judge(packet)
        if ad is not None:
            self.feed(Received(ad, packet.source))

    def status(self) -> RouterStatus:
        router, vr = self._router, self._vr
        counters = Counter(self._counters)
        if self._receiver is not None:
            counters.update(self._receiver.counters)
        return RouterStatus(
            name=vr.name,
            virtual_router_id=vr.virtual_router_id,
            interface=vr.interface,
            state=router.state.value,
            priority=vr.priority,
            effective_priority=router.priority,
            master=None if router.master is None else str(router.master),
            since=self._since,
            addresses=tuple(map(str, vr.addresses)),
            excluded_addresses=tuple(map(str, vr.excluded_addresses)),
            faults=tuple(sorted(router.faults)),
            counters=dict(counters),
            peers=self._gate.peers,
            aside=router.aside,
            hook=self.hooks.status,
        )

    @property
    def unusual(self) -> int:
        """How many packets were counted that a steady election does not bring."""
        elsewhere = sum(self._receiver.counters.values()) if self._receiver else 0
        return self._gate.unusual + self._counters["own"] + elsewhere

    async def settled(self) -> None:
        """Return once its addresses are as they should be, and its hook knows."""
        await asyncio.gather(self.holder.settled(), self._paths.settled(), self.hooks.idle())

    def close(self) -> None:
        """No timer is left behind."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def share(self, faults: frozenset[str]) -> None:
        """What others of its sync group suffer from."""
        self._shared = faults
        self._tell_faults()

    def _tell_faults(self) -> None:
        faults = self.own_faults | self._shared
        if faults != self._router.faults:
            self.feed(Faults(faults))

    def _happen(self, event: Event, now: float) -> None:
        before = self._router
        self._router, actions = step(self._vr, before, event, now)
        for action in actions:
            self._act(action)
        self._arm()
        if before is not self._router and _shown(before) != _shown(self._router):
            self._changed()

    def _become(self, vr: VirtualRouter) -> None:
        if vr != self._vr:
            previous, self._vr = self._vr, vr
            self.holder.garp = vr.garp
            self._gate.reconfigure(vr)
            self.feed(Reconfigure(previous))
            self._paths.own(vr, self._router.state is State.MASTER)

    def _arm(self) -> None:
        """Timers only ever move earlier: a later deadline is found out when the old one fires."""
        deadline = self._router.deadline
        if deadline is None:
            self.close()
        elif self._timer is None or self._timer.when() > deadline:
            self.close()
            self._timer = asyncio.get_running_loop().call_at(deadline, self._fire, deadline)

    def _fire(self, due: float) -> None:
        self._timer = None
        if self._receiver is not None:
            self._receiver.drain()
        loop, deadline = asyncio.get_running_loop(), self._router.deadline
        if deadline is None or deadline > due:
            self._arm()
            return
        was_master = self._router.state is State.MASTER
        # The loop may fire up to its clock's resolution early.
        self._happen(Timeout(self.is_grouped), max(deadline, loop.time()))
        if was_master:
            self._lateness.add(max(0.0, loop.time() - deadline))

    def _act(self, action: Action) -> None:
        match action:
            case Advertise(priority):
                self._advertise(priority)
            case Own(addresses):
                self.holder.own(addresses)
                self._paths.own(self._vr, bool(addresses))
            case Announce():
                self.holder.announce()
            case Changed(old, new, reason):
                self._since = time.time()
                self.hooks.tell(self._vr.hook, old, new)
                log.info(
                    "vrrp.state",
                    router=self._vr.name,
                    old=old.value,
                    new=new.value,
                    reason=reason,
                )
            case Listen():
                self.listen()
            case Conflict(address, priority):
                self._counters["conflicts"] += 1
                self._warn_once("vrrp.conflict", address, address=str(address), priority=priority)
            case Forgiven(late):
                log.warning("vrrp.late", router=self._vr.name, late=round(late, 6))
            case _:
                assert_never(action)

    def _advertise(self, priority: int) -> None:
        receiver, vr = self._receiver, self._vr
        if receiver is None or vr.source is None:
            return
        for destination, message in self._gate.messages(priority, vr.source):
            try:
                receiver.send(message, vr.source, destination)
            except KernelError as error:
                self._counters["send_errors"] += 1
                if priority != STOPPING:  # on the way out of a dead link nothing else is expected
                    self._warn_once("kernel.error", error.errno, what="advertise", error=str(error))
            else:
                self._counters["sent"] += 1

    def _warn_once(self, event: str, subject: object, **fields: object) -> None:
        if self._said.allows((event, subject), asyncio.get_running_loop().time()):
            log.warning(event, router=self._vr.name, **fields)


def _warn_of_password(vr: VirtualRouter) -> None:
    if isinstance(vr.authentication, Password):
        note = "everybody on the segment can read the password: it keeps nobody out"
        log.warning("vrrp.password", router=vr.name, note=note)


def _shown(router: Router) -> tuple[object, ...]:
    return router.state, router.master, router.faults, router.priority, router.due
