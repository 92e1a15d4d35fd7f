"""Carries out what lines of ipvsadm ask for, with ipvsadm's output and exit codes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, assert_never

from lvsha.cli.ipvsadm.ending import EndError
from lvsha.cli.ipvsadm.ownership import Ownership
from lvsha.cli.ipvsadm.restore import restore
from lvsha.cli.ipvsadm.streams import Streams
from lvsha.core.commands import AddDestination, AddService, Command, Flush
from lvsha.core.ipvsadm import lines as saved
from lvsha.core.ipvsadm import listing, usage
from lvsha.core.ipvsadm.connections import Connection, connection_lines, read_connection
from lvsha.core.ipvsadm.grammar import parse
from lvsha.core.ipvsadm.names import NUMERIC, Names
from lvsha.core.ipvsadm.order import sorted_destinations, sorted_services
from lvsha.core.ipvsadm.refusals import listing_refusal_text, refusal_text
from lvsha.core.ipvsadm.request import (
    FAILURE,
    USAGE,
    Change,
    Help,
    Layout,
    ListConnections,
    ListDaemons,
    ListTable,
    ListTimeouts,
    Request,
    Restore,
    Save,
    Style,
    Version,
    WordsError,
)
from lvsha.core.types import DestinationStatus, Key, ServiceStatus
from lvsha.errors import HostError, KernelError

if TYPE_CHECKING:
    from lvsha.kernel.ports import Ipvs

CONNECTIONS = "/proc/net/ip_vs_conn"
LISTING_FAILED = 1


class Session:
    """One run of the program. `open_ipvs` raises HostError where there is no IPVS."""

    def __init__(
        self,
        open_ipvs: Callable[[], Ipvs],
        names: Names,
        streams: Streams,
        ownership: Ownership,
        connections: str = CONNECTIONS,
    ) -> None:
        self._open_ipvs = open_ipvs
        self.names = names
        self.streams = streams
        self.ownership = ownership
        self._connections = connections
        self._ipvs: Ipvs | None = None

    def run(self, words: Sequence[str]) -> int:
        """The exit code of these arguments; whatever they ask for is done and said."""
        return self._ended(lambda: self._run(words))

    def replace_atomically(self) -> int:
        """Make the table what the lines on standard input say, by its difference to them."""
        from lvsha.cli.ipvsadm.atomic import restore_atomically

        return self._ended(lambda: restore_atomically(self, [Flush()]))

    def _ended(self, act: Callable[[], int]) -> int:
        try:
            code = self._outcome(act)
            self.streams.flush()
        except EndError as end:
            return end.exit_code
        return code

    def _outcome(self, act: Callable[[], int]) -> int:
        try:
            return act()
        except EndError as end:
            return end.exit_code
        except KernelError as error:
            self.streams.complain(str(error))
            return LISTING_FAILED

    @property
    def ipvs(self) -> Ipvs:
        """The kernel's table, opened when first needed."""
        if self._ipvs is None:
            try:
                self._ipvs = self._open_ipvs()
            except HostError as error:
                self.streams.complain(str(error))
                raise EndError(USAGE) from None
        return self._ipvs

    def _run(self, words: Sequence[str]) -> int:
        if not words:
            return self.perform(ListTable(Layout()))
        try:
            request = parse(words, self.names)
        except WordsError as error:
            _ = self.ipvs  # without IPVS nothing else is said
            self.streams.complain(error.text)
            return error.exit_code
        return self.perform(request)

    def perform(self, request: Request) -> int:
        """Carry out one request. Raises EndError where ipvsadm ends whatever else was to come."""
        match request:
            case Change():
                return self._change(request)
            case Restore():
                return self._restore(request)
            case Help():
                self.streams.write([usage.HELP])
                raise EndError(0)
            case Version():
                self.streams.write([usage.VERSION])
                raise EndError(0)
            case _:
                return self._list(request)

    def apply(self, commands: Sequence[Command]) -> dict[int, str]:
        """Carry out all in order; the complaints of those refused, by position."""
        for command in commands:
            for warning in self.ownership.warnings(command):
                self.streams.complain(warning)
        refusals = self.ipvs.apply(commands)
        if not refusals:
            return {}
        complaints: dict[int, str] = {}
        position = 0
        for refusal in refusals:
            while commands[position] is not refusal.command:
                position += 1
            text = refusal_text(refusal.command, refusal.errno) or os.strerror(refusal.errno)
            complaints[position] = text
            position += 1
        return complaints

    def _restore(self, request: Restore) -> int:
        _ = self.ipvs  # without IPVS not a line is read
        if not request.atomic:
            return restore(self)
        from lvsha.cli.ipvsadm.atomic import restore_atomically

        return restore_atomically(self)

    def _change(self, change: Change) -> int:
        if change.drain:
            from lvsha.cli.ipvsadm.drain import drain

            drain(self.ipvs, change, self.apply)
        complaints = self.apply([change.command])
        for text in complaints.values():
            self.streams.complain(text)
        return FAILURE if complaints else 0

    def _list(
        self, request: ListTable | ListConnections | ListTimeouts | ListDaemons | Save
    ) -> int:
        try:
            if not isinstance(request, Save) and request.layout.json:
                from lvsha.cli.ipvsadm.as_json import listed_as_json

                self.streams.write([listed_as_json(self, request)])
            else:
                self.streams.write(self._lines(request))
        except KernelError as error:
            self.streams.complain(listing_refusal_text(error.errno) or os.strerror(error.errno))
            raise EndError(LISTING_FAILED) from None
        return 0

    def _lines(
        self, request: ListTable | ListConnections | ListTimeouts | ListDaemons | Save
    ) -> Iterator[str]:
        match request:
            case ListTable(layout, key):
                return self._table_lines(layout, key)
            case ListConnections(layout):
                return connection_lines(
                    self.connections(),
                    self.names_of(layout.numeric),
                    persistent=layout.style is Style.PERSISTENT_CONN,
                )
            case ListTimeouts():
                return iter([listing.timeouts_line(self.ipvs.timeouts())])
            case ListDaemons():
                return map(listing.daemon_line, self.ipvs.daemons())
            case Save():
                return self._saved_lines(request)
            case _:
                assert_never(request)

    def _table_lines(self, layout: Layout, key: Key | None) -> Iterator[str]:
        if key is None:
            yield listing.banner(self.ipvs.info())
        counters = layout.style in (Style.STATS, Style.RATE)
        entries = self.entries(key, sort=layout.sort, counters=counters)
        yield from listing.title(layout.style)
        yield from listing.lines(entries, layout, self.names_of(layout.numeric))

    def _saved_lines(self, save: Save) -> Iterator[str]:
        names = self.names_of(save.numeric)
        if save.full:
            yield saved.timeouts_line(self.ipvs.timeouts())
            yield from map(saved.daemon_line, self.ipvs.daemons())
        for status, destinations in self.entries(None, sort=True, counters=False):
            key = status.service.key
            yield saved.save_line(AddService(status.service), names, full=save.full)
            for each in destinations:
                command = AddDestination(key, each.destination)
                yield saved.save_line(command, names, full=save.full)

    def entries(
        self, key: Key | None, *, sort: bool, counters: bool = True
    ) -> Iterator[listing.Listed]:
        """Services (or the one) with their destinations, each read when its turn comes."""
        services: Sequence[ServiceStatus]
        services = self.ipvs.services() if key is None else [self.ipvs.service(key)]
        if sort:
            services = sorted_services(services)
        return self._entries(services, sort, counters)

    def _entries(
        self, services: Sequence[ServiceStatus], sort: bool, counters: bool
    ) -> Iterator[listing.Listed]:
        read = self.ipvs.read([status.service.key for status in services], counters=counters)
        for status, (_, found) in zip(services, read, strict=True):
            destinations: Sequence[DestinationStatus] = found or ()
            yield status, sorted_destinations(destinations) if sort else destinations

    def connections(self) -> Iterator[Connection]:
        """The kernel's connections, as they are read."""
        _ = self.ipvs
        try:
            with open(self._connections, encoding="ascii", errors="replace") as file:
                next(file, "")
                for line in file:
                    yield read_connection(line)
        except OSError:
            self.streams.complain(f"cannot open file {self._connections}")
            raise EndError(LISTING_FAILED) from None
        except ValueError:
            self.streams.complain(f"unexpected input from {self._connections}")
            raise EndError(LISTING_FAILED) from None

    def names_of(self, numeric: bool) -> Names:
        return NUMERIC if numeric else self.names
