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
from collections.abc import Iterable, Sequence

from lvsha.core import desired, diff
from lvsha.core.commands import DeleteService, Place, Refusal, TableCommand, place
from lvsha.core.ipvsadm.lines import save_line
from lvsha.core.places import with_places
from lvsha.core.plan import DirectorPlan, RealServer, VirtualService
from lvsha.core.through import detour_services
from lvsha.core.types import Destination, DestinationKey, IpvsTable, Key, Service, ServiceEntry
from lvsha.director.ownership import Ownership
from lvsha.director.telling import LINES_LOGGED, difference, tell_applied
from lvsha.errors import KernelError
from lvsha.kernel.ports import Ipvs
from lvsha.runtime.logs import log

_CHANGED_UNDER_US = frozenset({errno.EEXIST, errno.ENOENT, errno.ESRCH})
_READ_AGAIN = 2
"""Times a service is read again in one pass when the kernel's answers contradict what we knew."""

_SLICE = 0.005
"""Seconds of table reading before the loop gets its turn."""


class Reconciler:
    """One director's table. `view` says how things stand now."""

    def __init__(self, ipvs: Ipvs, ownership: Ownership, view: desired.View) -> None:
        self._ipvs = ipvs
        self._ownership = ownership
        self._view = view
        self._services: dict[Key, VirtualService] = {}
        self._known: dict[Key, ServiceEntry] = {}
        self._adopted = False
        self._resync_interval = 5.0
        self._dirty: dict[Place, tuple[VirtualService, RealServer]] = {}
        self._dirty_services: dict[Key, VirtualService] = {}
        self._kicked = asyncio.Event()
        self._foreign: frozenset[Key] = frozenset()
        self.refused: dict[Key, dict[DestinationKey | None, str]] = {}
        self._acknowledged = 0.0
        self.errors_total = 0
        self._complaints: dict[str, str] = {}
        self.drifts_total = 0

    @property
    def known(self) -> IpvsTable:
        """The table as we last knew it, services of ours and foreign ones found at the start."""
        return self._known

    def adopt(self) -> None:
        """Read the table for the first time: what is there stays until a check says otherwise.

        Raises KernelError.
        """
        if not self._adopted:
            self._known = {
                key: ServiceEntry(entry.service, dict(entry.destinations))
                for key, entry in self._ipvs.table().items()
            }
            self._adopted = True

    def configure(self, plan: DirectorPlan) -> None:
        """Make the table what this plan says, from what we know of it."""
        started = time.monotonic()
        self.adopt()
        self._resync_interval = plan.resync_interval
        everything = (*plan.services, *detour_services(plan.services))
        self._services = {service.key: service for service in everything}
        self._ownership.set(self._ownership.keys | self._services.keys())
        self._dirty.clear()
        self._dirty_services.clear()
        wanted = desired.build(plan, self._view, self._known)
        self._carry_out(diff.commands(wanted, self._known, self._ownership.keys), started)
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
        self._carry_out(sorted(found, key=diff.rank), started)

    async def resync(self) -> None:
        """Compare the kernel's table with what we last knew; repair what somebody changed."""
        repaired: list[TableCommand] = []
        started = slice_began = time.monotonic()
        try:
            actual = {status.service.key: status.service for status in self._ipvs.services()}
            self._report_foreign(actual.keys() - self._services.keys() - self._ownership.keys)
            for key in (*self._services, *(self._ownership.keys - self._services.keys())):
                repaired += self._repair(key, actual.get(key))
                if time.monotonic() - slice_began > _SLICE:
                    await asyncio.sleep(0)
                    self.settle()
                    slice_began = time.monotonic()
        except KernelError as error:
            self._report_error("the table could not be read", error)
        else:
            self._complaints.clear()
        if repaired:
            tell_applied(repaired, self._acknowledged - started)
        self._release()

    def _server_commands(self, service: VirtualService, server: RealServer) -> list[TableCommand]:
        entry = self._known.get(service.key)
        if entry is None or self._services.get(service.key) is not service:
            return []  # gone with a reload, or waiting for the next resync
        found = entry.destinations.get(server.key)
        standing = self._view.judgement(service, server)
        wanted = desired.destination(service, server, standing, found)
        return diff.destination_commands(service.key, wanted, found)

    def _service_commands(self, service: VirtualService) -> tuple[TableCommand, ...]:
        if self._services.get(service.key) is not service:
            return ()
        known = self._known.get(service.key)
        return self._commands_for(service.key, known, known)

    def _repair(self, key: Key, service: Service | None) -> list[TableCommand]:
        believed = self._known.get(key)
        actual = self._learn(key, service)
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
        if key in self.refused:
            pending = {place(command)[1] for command in commands}
            for dest in self.refused[key].keys() - pending:
                self._forget_refusal(key, dest)
        return self._send_until_settled(commands)

    def _commands_for(
        self, key: Key, believed: ServiceEntry | None, actual: ServiceEntry | None
    ) -> tuple[TableCommand, ...]:
        service = self._services.get(key)
        if service is None or not self._view.is_active(service):
            return (DeleteService(key),) if actual else ()
        wanted = desired.entry(service, self._view, {key: believed} if believed else {})
        return tuple(sorted(diff.service_commands(wanted, actual), key=diff.rank))

    def _learn(self, key: Key, service: Service | None) -> ServiceEntry | None:
        """Read one service's destinations into what we know; None where it is gone."""
        believed = self._known.pop(key, None)
        for _, found in self._ipvs.read((key,), counters=False) if service else ():
            if service and found is not None:
                told = [status.destination for status in found]
                self._known[key] = _entry(service, told, believed)
        return self._known.get(key)

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
            commands = with_places(commands, self._services)
            refusals = self._send(commands)
            refused = {id(refusal.command) for refusal in refusals}
            for command in commands:
                if id(command) not in refused:
                    diff.apply_one(self._known, command)
                    self._forget_refusal(*place(command))
                    done.append(command)
            commands = self._second_look(refusals)
        return done

    def _send(self, commands: Sequence[TableCommand]) -> tuple[Refusal, ...]:
        try:
            return self._ipvs.apply(commands)
        except KernelError as error:
            self._report_error("commands could not be sent", error)
            return tuple(Refusal(command, error.errno, error.text) for command in commands)
        finally:
            self._acknowledged = time.monotonic()

    def _second_look(self, refusals: Iterable[Refusal]) -> tuple[TableCommand, ...]:
        """Note each refusal; commands for services whose state was not what we thought."""
        stale: dict[Key, None] = {}
        for refusal in refusals:
            if refusal.errno in _CHANGED_UNDER_US:
                stale[place(refusal.command)[0]] = None
            self._note(refusal)
        found: list[TableCommand] = []
        for key in stale:
            found += self._reread(key)
        return tuple(found)

    def _reread(self, key: Key) -> tuple[TableCommand, ...]:
        believed = self._known.get(key)
        try:
            return self._commands_for(key, believed, self._learn(key, self._find(key)))
        except KernelError as error:
            self._report_error("a service could not be read", error)
            return ()

    def _find(self, key: Key) -> Service | None:
        try:
            return self._ipvs.service(key).service
        except KernelError as error:
            if error.errno != errno.ESRCH:
                raise
            return None

    def _note(self, refusal: Refusal) -> None:
        self.errors_total += 1
        key, dest = place(refusal.command)
        text = str(KernelError(refusal.errno, "", refusal.text))
        known = self.refused.setdefault(key, {})
        if known.get(dest) != text:
            known[dest] = text
            server = str(dest) if dest else None
            log.error("kernel.error", service=self._name(key), server=server, error=text)

    def _forget_refusal(self, key: Key, dest: DestinationKey | None) -> None:
        known = self.refused.get(key, {})
        known.pop(dest, None)
        if not known:
            self.refused.pop(key, None)

    def _report_error(self, what: str, error: KernelError) -> None:
        """Said once, not at every resync: until the table can be read again."""
        self.errors_total += 1
        if self._complaints.get(what) != str(error):
            log.error("kernel.error", what=what, error=str(error))
        self._complaints[what] = str(error)

    def _report_foreign(self, keys: Iterable[Key]) -> None:
        foreign = frozenset(keys)
        for key in foreign - self._foreign:
            log.info("ipvs.foreign", service=str(key), note="not ours, left alone")
        self._foreign = foreign

    def _release(self) -> None:
        """Stop claiming services that are neither wanted nor in the kernel any more."""
        self._ownership.set(self._services.keys() | (self._ownership.keys & self._known.keys()))

    def _name(self, key: Key) -> str:
        service = self._services.get(key)
        return service.name if service else str(key)


def _entry(
    service: Service, told: Sequence[Destination], believed: ServiceEntry | None
) -> ServiceEntry:
    """What is as it was is not put together again: that is most of a table."""
    if believed and believed.service == service and [*believed.destinations.values()] == told:
        return believed
    return ServiceEntry(service, {destination.key: destination for destination in told})
