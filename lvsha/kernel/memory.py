"""IPVS without a kernel: the in-memory twin of `ipvs.KernelIpvs`, held to it by one suite.

What it keeps of the kernel's ways: errnos, in the order they are found; destinations newest
first, an edited one in its place; services by hash bucket, newest first within one, fwmark
services last (the kernel XORs a number of the network namespace's own into the bucket's; here
that is 0); a deleted destination leaves its counts and counters in the trash and finds them
there when it is added again; the last weight that was not 0 is remembered.

What it leaves out: traffic (`observe` stands in), time (the trash keeps for ever), routes.
"""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from lvsha.core.commands import (
    AddDestination,
    AddService,
    Command,
    DeleteDestination,
    DeleteService,
    Flush,
    Refusal,
    SetDestination,
    SetService,
    SetTimeouts,
    StartDaemon,
    StopDaemon,
    TableCommand,
    Zero,
)
from lvsha.core.types import (
    Destination,
    DestinationKey,
    DestinationStatus,
    Family,
    IpvsInfo,
    IpvsTable,
    Key,
    Service,
    ServiceEntry,
    ServiceStatus,
    Stats,
    SyncDaemon,
    SyncRole,
    Timeouts,
)
from lvsha.errors import KernelError
from lvsha.kernel import requests, verdicts
from lvsha.kernel.verdicts import as_kept, identity, place

_INTERFACES = {"lo": 65536, "eth0": 1500}


@dataclass(slots=True)
class _HeldDestination:
    status: DestinationStatus
    last_weight: int = 0


@dataclass(slots=True)
class _HeldService:
    service: Service
    stats: Stats = field(default=Stats())
    destinations: dict[DestinationKey, _HeldDestination] = field(default_factory=dict)


class MemoryIpvs:
    """`ports.Ipvs` in memory.

    `schedulers` and `engines` are the modules this kernel would have; `interfaces` its network
    interfaces by name, with their MTU (synchronisation daemons need one).
    """

    def __init__(
        self,
        schedulers: Collection[str] = verdicts.SCHEDULERS,
        engines: Collection[str] = verdicts.PERSISTENCE_ENGINES,
        interfaces: Mapping[str, int] = _INTERFACES,
    ) -> None:
        self._schedulers = schedulers
        self._engines = engines
        self._interfaces = interfaces
        self._services: dict[Key, _HeldService] = {}
        self._trash: dict[tuple[Key, DestinationKey], tuple[_HeldDestination, _HeldService]] = {}
        self._timeouts = Timeouts(tcp=900, tcp_fin=120, udp=300)
        self._daemons: dict[SyncRole, SyncDaemon] = {}

    def close(self) -> None:
        """Nothing to give back."""

    def info(self) -> IpvsInfo:
        return IpvsInfo(version=(1, 2, 1), connection_table_size=4096)

    def apply(self, commands: Sequence[Command]) -> tuple[Refusal, ...]:
        """As in `ports.Ipvs`; the kernel's own sentences are not imitated."""
        refusals: list[Refusal] = []
        for command in commands:
            try:
                requests.encode(command)
                code, text = self._carry_out(command), ""
            except KernelError as error:
                code, text = error.errno, error.text
            if code:
                refusals.append(Refusal(command, code, text))
        return tuple(refusals)

    def services(self) -> tuple[ServiceStatus, ...]:
        return tuple(ServiceStatus(held.service, held.stats) for held in self._in_order())

    def service(self, key: Key) -> ServiceStatus:
        held = self._find(key)
        return ServiceStatus(held.service, held.stats)

    def destinations(self, key: Key) -> tuple[DestinationStatus, ...]:
        held = self._find(key)
        return tuple(each.status for each in reversed(held.destinations.values()))

    def table(self) -> IpvsTable:
        return {
            held.service.key: ServiceEntry(
                held.service,
                {key: each.status.destination for key, each in reversed(held.destinations.items())},
            )
            for held in self._in_order()
        }

    def read(
        self, keys: Sequence[Key], *, counters: bool = True
    ) -> Iterator[tuple[Key, tuple[DestinationStatus, ...] | None]]:
        for key in keys:
            yield key, self.destinations(key) if identity(key) in self._services else None

    def timeouts(self) -> Timeouts:
        return self._timeouts

    def daemons(self) -> tuple[SyncDaemon, ...]:
        return tuple(self._daemons[role] for role in SyncRole if role in self._daemons)

    def observe(self, key: Key, traffic: DestinationStatus) -> None:
        """Connection counts and counters as traffic would leave them at a destination.

        Its settings stay what they are. KeyError where there is no such destination.
        """
        held = self._services[identity(key)].destinations[traffic.destination.key]
        held.status = replace(traffic, destination=held.status.destination)

    def last_weight(self, key: Key, destination: DestinationKey) -> int:
        """The last weight that was not 0 (or what it was added with). KeyError where it is not."""
        return self._services[identity(key)].destinations[destination].last_weight

    def _find(self, key: Key) -> _HeldService:
        try:
            return self._services[identity(key)]
        except KeyError:
            raise KernelError(errno.ESRCH, f"service {key}") from None

    def _in_order(self) -> list[_HeldService]:
        newest_first = reversed(self._services.values())
        return sorted(newest_first, key=lambda held: place(held.service.key))

    def _carry_out(self, command: Command) -> int:
        match command:
            case Zero(key):
                return self._zero(key)
            case Flush():
                for key in tuple(self._services):
                    self._delete_service(key)
            case SetTimeouts(timeouts):
                return self._set_timeouts(timeouts)
            case StartDaemon(daemon):
                return self._start_daemon(daemon)
            case StopDaemon(daemon):
                return 0 if self._daemons.pop(daemon.role, None) else errno.ESRCH
            case _:
                return self._change_table(command)
        return 0

    def _change_table(self, command: TableCommand) -> int:
        match command:
            case AddService(service) | SetService(service):
                return self._put_service(service, new=isinstance(command, AddService))
            case DeleteService(key):
                return self._delete_service(identity(key))
            case AddDestination(key, destination) | SetDestination(key, destination):
                new = isinstance(command, AddDestination)
                return self._put_destination(identity(key), destination, new)
            case DeleteDestination(key, destination_key):
                return self._delete_destination(identity(key), destination_key)
            case _:
                assert_never(command)

    def _put_service(self, service: Service, new: bool) -> int:
        key = identity(service.key)
        held = self._services.get(key)
        if code := verdicts.names(service):
            return code
        if new is (held is not None):
            return errno.EEXIST if new else errno.ESRCH
        if code := verdicts.service(service, self._schedulers, self._engines):
            return code
        if held is None:
            self._services[key] = _HeldService(as_kept(service))
        else:
            held.service = as_kept(service)
        return 0

    def _delete_service(self, key: Key) -> int:
        if key not in self._services:
            return errno.ESRCH
        for destination in tuple(self._services[key].destinations):
            self._delete_destination(key, destination)
        del self._services[key]
        return 0

    def _put_destination(self, key: Key, destination: Destination, new: bool) -> int:
        service = self._services.get(key)
        if service is None:
            return errno.ESRCH
        code = verdicts.mixed(destination, key.family, bool(self._daemons))
        if code or (code := verdicts.numbers(destination)):
            return code
        held = service.destinations.get(destination.key)
        if new is (held is not None):
            return errno.EEXIST if new else errno.ENOENT
        if held is None:
            return self._add_destination(key, service, destination)
        held.status = replace(held.status, destination=destination)
        held.last_weight = destination.weight or held.last_weight
        return 0

    def _add_destination(self, key: Key, service: _HeldService, destination: Destination) -> int:
        if trashed := self._trash.pop((key, destination.key), None):
            held, was_of = trashed
            stats = held.status.stats if was_of is service else Stats()
            status = replace(held.status, destination=destination, stats=stats)
        elif code := verdicts.address(destination.key.address):
            return code
        else:
            status = DestinationStatus(destination)
        service.destinations[destination.key] = _HeldDestination(status, destination.weight)
        return 0

    def _delete_destination(self, key: Key, destination: DestinationKey) -> int:
        service = self._services.get(key)
        if service is None:
            return errno.ESRCH
        held = service.destinations.pop(destination, None)
        if held is None:
            return errno.ENOENT
        self._trash[key, destination] = held, service
        return 0

    def _zero(self, key: Key | None) -> int:
        if key is not None and identity(key) not in self._services:
            return errno.ESRCH
        for service in self._services.values() if key is None else [self._find(key)]:
            service.stats = Stats()
            for held in service.destinations.values():
                held.status = replace(held.status, stats=Stats())
        return 0

    def _set_timeouts(self, wanted: Timeouts) -> int:
        if code := verdicts.timeouts(wanted):
            return code
        now = self._timeouts
        self._timeouts = Timeouts(
            wanted.tcp or now.tcp, wanted.tcp_fin or now.tcp_fin, wanted.udp or now.udp
        )
        return 0

    def _start_daemon(self, daemon: SyncDaemon) -> int:
        if code := verdicts.daemon(daemon, self._interfaces, self._has_mixed_destinations()):
            return code
        if daemon.role in self._daemons:
            return errno.EEXIST
        self._daemons[daemon.role] = verdicts.started(daemon, self._interfaces[daemon.interface])
        return 0

    def _has_mixed_destinations(self) -> bool:
        return any(
            Family.of(destination.address) is not key.family
            for key, service in self._services.items()
            for destination in service.destinations
        )
