"""Keeps the kernel's IPVS table equal to what the plan and the checks say.

Level-triggered: a health change only marks a server; the next turn of the loop computes what
that server should be and sends the difference. The table is read whole at the start and at every
resync, service by service, so that the loop is never held for long; what differs from what we
last knew is somebody else's doing (drift), repaired and logged.
"""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from lvsha.core import desired, diff
from lvsha.core.commands import DeleteService, Place, Refusal, TableCommand, place
from lvsha.core.ipvsadm.lines import save_line
from lvsha.core.places import with_places
from lvsha.core.plan import DirectorPlan, RealServer, VirtualService
from lvsha.core.through import detour_services
from lvsha.core.types import DestinationKey, IpvsTable, Key, Service, ServiceEntry
from lvsha.director.complaints import Complaints
from lvsha.director.known import KnownTable
from lvsha.director.ownership import Ownership
from lvsha.director.telling import LINES_LOGGED, difference, tell_applied
from lvsha.errors import KernelError
from lvsha.kernel.ports import Ipvs
from lvsha.runtime.logs import log
from lvsha.runtime.slices import SLICE

_CHANGED_UNDER_US = frozenset({errno.EEXIST, errno.ENOENT, errno.ESRCH})
_READ_AGAIN = 2
"""Times a service is read again in one pass when the kernel's answers contradict what we knew."""

_AT_ONCE = 750
"""Places of a new plan looked at before what they need is sent: at most two sends full."""


class Reconciler:
    """One director's table. `view` says how things stand now."""

    def __init__(self, ipvs: Ipvs, ownership: Ownership, view: desired.View) -> None:
        self._ipvs = ipvs
        self._ownership = ownership
        self._view = view
        self._services: dict[Key, VirtualService] = {}
        self._known = KnownTable(ipvs)
        self._resync_interval = 5.0
        self._dirty: dict[Place, tuple[VirtualService, RealServer]] = {}
        self._dirty_services: dict[Key, VirtualService] = {}
        self._kicked = asyncio.Event()
        self._foreign: frozenset[Key] = frozenset()
        self._acknowledged = 0.0
        self._complaints = Complaints(self._name)
        self.drifts_total = 0

    @property
    def known(self) -> IpvsTable:
        """The table as we last knew it, services of ours and foreign ones found at the start."""
        return self._known.entries

    @property
    def refused(self) -> Mapping[Key, Mapping[DestinationKey | None, str]]:
        """The kernel's words by service and destination; None: the service itself."""
        return self._complaints.refused

    @property
    def errors_total(self) -> int:
        return self._complaints.total

    def adopt(self) -> None:
        """Read the table for the first time: what is there stays until a check says otherwise.

        Raises KernelError.
        """
        self._known.adopt()

    def configure(self, plan: DirectorPlan) -> None:
        """Make the table what this plan says, from what we know of it."""
        for _ in self.configuring(plan):
            continue

    def configuring(self, plan: DirectorPlan) -> Iterator[None]:
        """The same in steps. After each, all that was decided is done: verdicts may come."""
        started = time.monotonic()
        self.adopt()
        self._resync_interval = plan.resync_interval
        everything = (*plan.services, *detour_services(plan.services))
        self._services = {service.key: service for service in everything}
        self._ownership.set(self._ownership.keys | self._services.keys())
        self._dirty.clear()
        self._dirty_services.clear()
        done: list[TableCommand] = []
        commands: list[TableCommand] = []
        looked_at = 0
        for key, service in self._services.items():
            known = self.known.get(key)
            commands += self._commands_for(key, known, known)
            looked_at += 1 + len(service.servers)
            if looked_at >= _AT_ONCE:
                done += self._send_until_settled(commands)
                commands, looked_at = [], 0
                yield
        gone = self._ownership.keys - self._services.keys()
        commands += [DeleteService(key) for key in self.known if key in gone]
        done += self._send_until_settled(commands)
        if done:
            tell_applied(done, self._acknowledged - started)
        self._release()

    def touch(self, service: VirtualService, server: RealServer) -> None:
        """A server's standing changed: look at it on the next turn of the loop."""
        self._dirty[service.key, server.key] = (service, server)
        self._kicked.set()

    def touch_service(self, service: VirtualService) -> None:
        """Look at all of a service on the next turn of the loop."""
        self._dirty_services[service.key] = service
        self._kicked.set()

    async def run(self) -> None:
        """Act on kicks at once, read the whole table every resync interval."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._resync_interval
        while True:
            try:
                async with asyncio.timeout_at(due):
                    await self._kicked.wait()
            except TimeoutError:
                await self.resync()
                due = loop.time() + self._resync_interval
            self.settle()

    def settle(self) -> None:
        """Bring the marked servers' destinations to what they should be."""
        self._kicked.clear()
        if not self._dirty and not self._dirty_services:
            return
        started = time.monotonic()
        dirty, self._dirty = self._dirty, {}
        whole, self._dirty_services = self._dirty_services, {}
        found: list[TableCommand] = []
        for service in whole.values():
            found += self._service_commands(service)
        for service, server in dirty.values():
            if service.key not in whole:
                found += self._server_commands(service, server)
        self._carry_out(found, started)

    async def resync(self) -> None:
        """Compare the kernel's table with what we last knew; repair what somebody changed."""
        repaired: list[TableCommand] = []
        started = slice_began = time.monotonic()
        try:
            actual = self._known.services()
            self._report_foreign(actual.keys() - self._services.keys() - self._ownership.keys)
            for key in (*self._services, *(self._ownership.keys - self._services.keys())):
                if key not in self._known.overtaken:
                    repaired += self._repair(key, actual.get(key))
                if time.monotonic() - slice_began > SLICE:
                    await asyncio.sleep(0)
                    self.settle()
                    slice_began = time.monotonic()
        except KernelError as error:
            self._complaints.trouble("the table could not be read", error)
        else:
            self._complaints.trouble_is_over()
        if repaired:
            tell_applied(repaired, self._acknowledged - started)
        self._release()

    def _server_commands(self, service: VirtualService, server: RealServer) -> list[TableCommand]:
        entry = self.known.get(service.key)
        if entry is None or self._services.get(service.key) is not service:
            return []  # gone with a reload, or waiting for the next resync
        found = entry.destinations.get(server.key)
        standing = self._view.judgement(service, server)
        wanted = desired.destination(service, server, standing, found)
        return diff.destination_commands(service.key, wanted, found)

    def _service_commands(self, service: VirtualService) -> list[TableCommand]:
        if self._services.get(service.key) is not service:
            return []
        known = self.known.get(service.key)
        return self._commands_for(service.key, known, known)

    def _repair(self, key: Key, service: Service | None) -> list[TableCommand]:
        believed = self.known.get(key)
        actual = self._known.learn(key, service)
        commands = self._commands_for(key, believed, actual)
        if commands and actual != believed:
            self.drifts_total += 1
            lines = [save_line(command) for command in commands]
            log.warning(
                "ipvs.drift",
                service=self._name(key),
                found=difference(believed, actual),
                repaired=lines[:LINES_LOGGED],
                commands=len(lines),
            )
        self._complaints.keep_only(key, {place(command)[1] for command in commands})
        return self._send_until_settled(commands)

    def _commands_for(
        self, key: Key, believed: ServiceEntry | None, actual: ServiceEntry | None
    ) -> list[TableCommand]:
        service = self._services.get(key)
        if service is None or not self._view.is_active(service):
            return [DeleteService(key)] if actual else []
        wanted = desired.entry(service, self._view, {key: believed} if believed else {})
        return diff.service_commands(wanted, actual)

    def _carry_out(self, commands: Sequence[TableCommand], started: float) -> None:
        done = self._send_until_settled(commands)
        if done:
            tell_applied(done, self._acknowledged - started)

    def _send_until_settled(self, commands: Sequence[TableCommand]) -> list[TableCommand]:
        """Send, remember what was done, read services again whose answers surprise us."""
        done: list[TableCommand] = []
        for _ in range(1 + _READ_AGAIN):
            if not commands:
                break
            openings, closings = diff.in_order(commands)
            refusals = self._send(with_places(openings, self._services), done)
            spared = self._spared({place(refusal.command)[0] for refusal in refusals}, closings)
            refusals += self._send([each for each in closings if place(each) not in spared], done)
            commands = self._second_look(refusals)
        return done

    def _send(
        self, commands: Sequence[TableCommand], done: list[TableCommand]
    ) -> tuple[Refusal, ...]:
        """Carry out and remember; what was done goes to `done`."""
        if not commands:
            return ()
        refusals = self._apply(commands)
        refused = {id(refusal.command) for refusal in refusals}
        for command in commands:
            if id(command) not in refused:
                self._known.did(command)
                self._complaints.forget(*place(command))
                done.append(command)
        return refusals

    def _apply(self, commands: Sequence[TableCommand]) -> tuple[Refusal, ...]:
        try:
            return self._ipvs.apply(commands)
        except KernelError as error:
            self._complaints.trouble("commands could not be sent", error)
            return tuple(Refusal(command, error.errno, error.text) for command in commands)
        finally:
            self._acknowledged = time.monotonic()

    def _spared(self, refused: Iterable[Key], closings: Iterable[TableCommand]) -> set[Place]:
        """Whom services keep that would be empty: standing by, with nobody to serve instead."""
        leaving = {place(command) for command in closings}
        spared: set[Place] = set()
        for key in refused if leaving else ():
            service = self._services.get(key)
            if service and {(key, dest) for dest in self._known.serving(key)} <= leaving:
                alive = (each for each in service.servers if self._view.stands_by(service, each))
                spared.update((key, server.key) for server in alive)
        return spared

    def _second_look(self, refusals: Iterable[Refusal]) -> tuple[TableCommand, ...]:
        """Note each refusal; commands for services whose state was not what we thought."""
        stale: dict[Key, None] = {}
        for refusal in refusals:
            if refusal.errno in _CHANGED_UNDER_US:
                stale[place(refusal.command)[0]] = None
            self._complaints.note(refusal)
        found: list[TableCommand] = []
        for key in stale:
            found += self._reread(key)
        return tuple(found)

    def _reread(self, key: Key) -> list[TableCommand]:
        believed = self.known.get(key)
        try:
            return self._commands_for(key, believed, self._known.learn_anew(key))
        except KernelError as error:
            self._complaints.trouble("a service could not be read", error)
            return []

    def _report_foreign(self, keys: Iterable[Key]) -> None:
        foreign = frozenset(keys)
        for key in foreign - self._foreign:
            log.info("ipvs.foreign", service=str(key), note="not ours, left alone")
        self._foreign = foreign

    def _release(self) -> None:
        """Stop claiming services that are neither wanted nor in the kernel any more."""
        self._ownership.set(self._services.keys() | (self._ownership.keys & self.known.keys()))
        self._complaints.keep_services(self._ownership.keys)

    def _name(self, key: Key) -> str:
        service = self._services.get(key)
        return service.name if service else str(key)
