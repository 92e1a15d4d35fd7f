"""The effect queue of one virtual router: its addresses on the interface, and their announcement.

Serial and by level: the last order counts, and is worked towards until it is so. An advertisement
never waits here; a slow kernel delays an ARP at worst.
"""

from __future__ import annotations

import asyncio
import errno
import math
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import suppress

from lvsha.core.frames import Burst, Garp, bursts
from lvsha.core.types import InterfaceAddress
from lvsha.errors import KernelError
from lvsha.kernel.ports import AddressChanges, Link, Wire
from lvsha.runtime.logs import log
from lvsha.vrrp.observations import OncePerMinute

RETRY = 1.0
"""Seconds until what the kernel refused is tried again."""

SPACING = 1.0
"""Seconds between first bursts while a second master keeps showing up."""

FRAMES_AT_ONCE = 16
"""Announcements sent before the loop may look after its timers again."""

EARLY = 0.001
"""Seconds by which a burst may go early: a loop wakes by its clock's resolution too soon."""

_NOT_THERE = (errno.EADDRNOTAVAIL, errno.ENODEV)


class Holder:
    """Holds the addresses it is told to, announces them as long as it does.

    `link` is where, and `garp` how: the owner keeps them current. Addresses that are `native` are
    the machine's own, with or without mastership: they are announced, and never taken off. `turn`
    is shared by all: the kernel does one of these at a time anyway, and between two of them the
    loop looks after its timers.
    """

    def __init__(
        self, router: str, interface: str, addresses: AddressChanges, wire: Wire, turn: asyncio.Lock
    ) -> None:
        self.link: Link | None = None
        self.garp = Garp()
        self.native: frozenset[InterfaceAddress] = frozenset()
        self._router = router
        self._interface = interface
        self._addresses = addresses
        self._wire = wire
        self._turn = turn
        self._wanted: dict[InterfaceAddress, None] = {}  # in order
        self._held: set[InterfaceAddress] = set()
        self._leaving: Counter[InterfaceAddress] = Counter()
        self._kick = asyncio.Event()
        self._settled = asyncio.Event()
        self._bursts: Iterator[Burst] = iter(())
        self._next: Burst | None = None
        self._frames: deque[InterfaceAddress] = deque()
        self._announced_since = 0.0
        self._last_first_burst = -math.inf
        self._said = OncePerMinute()

    def own(self, addresses: tuple[InterfaceAddress, ...]) -> None:
        """From now on exactly these."""
        self._wanted = dict.fromkeys(addresses)
        if not addresses:
            self._next = None
            self._frames.clear()
            self._last_first_burst = -math.inf
        self._settled.clear()
        self._kick.set()

    def announce(self) -> None:
        """Begin the bursts anew; at most once in SPACING while the addresses stay ours."""
        self._bursts = bursts(self.garp)
        self._next = next(self._bursts, None)
        now = asyncio.get_running_loop().time()
        self._announced_since = max(now, self._last_first_burst + SPACING)
        self._kick.set()

    def found(self, addresses: tuple[InterfaceAddress, ...]) -> None:
        """These are on the interface although nobody here put them there."""
        self._held.update(addresses)
        self._settled.clear()
        self._kick.set()

    def vanished(self, address: InterfaceAddress) -> None:
        """The kernel says `address` left the interface. If it was not us, it is put back."""
        if self._leaving[address] > 0:
            self._leaving[address] -= 1
        elif address in self._held:
            self._held.discard(address)
            if address in self._wanted:
                log.warning("vrrp.drift", router=self._router, removed=str(address))
                self.announce()

    def recount(self, present: tuple[InterfaceAddress, ...]) -> None:
        """Events were lost: this is what is on the interface now."""
        self._leaving.clear()
        for address in self._held - set(present):
            self.vanished(address)

    async def settled(self) -> None:
        """Return once what is held is what is wanted."""
        await self._settled.wait()

    async def run(self) -> None:
        """Work until cancelled."""
        done = False
        while True:
            if self._kick.is_set() or not done:
                self._kick.clear()
                await self._settle()
                done = self._held == set(self._wanted)
                if done and not self._kick.is_set():
                    self._settled.set()
            self._announce_when_due()
            await self._send_some()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._wake_at(done)):
                    await self._kick.wait()

    def _wake_at(self, done: bool) -> float | None:
        now = asyncio.get_running_loop().time()
        more = now + self.garp.interval if self._frames else None
        retry = None if done else now + RETRY
        return min((at for at in (self._due(), more, retry) if at is not None), default=None)

    async def _settle(self) -> None:
        for address in tuple(self._held):
            if address not in self._wanted:
                await self._remove(address)
        for address in tuple(self._wanted):
            if address not in self._held and address in self._wanted:
                await self._add(address)

    async def _add(self, address: InterfaceAddress) -> None:
        try:
            async with self._turn:
                await self._addresses.add(self._interface, address)
        except KernelError as error:
            if error.errno != errno.EEXIST:
                self._complain("add", address, error)
                return
        self._held.add(address)
        if self._next is not None and self._next.after > 0:
            self.announce()  # it missed the first burst

    async def _remove(self, address: InterfaceAddress) -> None:
        if address in self.native:
            self._held.discard(address)
            return
        self._leaving[address] += 1
        try:
            async with self._turn:
                await self._addresses.remove(self._interface, address)
        except KernelError as error:
            self._leaving[address] -= 1
            if error.errno not in _NOT_THERE:
                self._complain("remove", address, error)
                return
        self._held.discard(address)
        if self.link is None:  # renamed: what leaves it is told under its new name
            self._leaving.pop(address, None)

    def _due(self) -> float | None:
        return None if self._next is None else self._announced_since + self._next.after

    def _announce_when_due(self) -> None:
        due, loop = self._due(), asyncio.get_running_loop()
        if due is None or self._next is None or loop.time() + EARLY < due:
            return
        if self._next.after == 0:
            self._last_first_burst = loop.time()
        burst, self._next = self._next, next(self._bursts, None)
        held = [address for address in self._wanted if address in self._held]
        self._frames = deque(held * burst.copies)

    async def _send_some(self) -> None:
        """As many announcements as may go at once; the others when it is their time."""
        for _ in range(1 if self.garp.interval else FRAMES_AT_ONCE):
            if not self._frames:
                return
            address = self._frames.popleft()
            if address in self._wanted and self.link is not None:
                self._announce_one(self.link, address)
        await asyncio.sleep(0)

    def _announce_one(self, link: Link, address: InterfaceAddress) -> None:
        try:
            self._wire.announce(link, address.ip)
        except KernelError as error:
            self._complain("announce", address, error)

    def _complain(self, verb: str, address: InterfaceAddress, error: KernelError) -> None:
        if self._said.allows((verb, error.errno), asyncio.get_running_loop().time()):
            log.error(
                "kernel.error", router=self._router, what=f"{verb} {address}", error=str(error)
            )
