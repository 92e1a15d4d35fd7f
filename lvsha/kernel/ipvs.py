"""The kernel's IPVS table over generic netlink: `ports.Ipvs` on a socket of our own.

A dump is not a snapshot: the kernel lets go of the table between its parts (32 kB), so that
what changes meanwhile may be told twice or not at all. Whoever compares learns of it from the
errno of the command that did not fit (EEXIST, ENOENT, ESRCH), and reads again.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence

from lvsha.core.commands import Command, Refusal
from lvsha.core.types import (
    DestinationStatus,
    IpvsInfo,
    IpvsTable,
    Key,
    ServiceEntry,
    ServiceStatus,
    SyncDaemon,
    Timeouts,
)
from lvsha.errors import HostError, KernelError
from lvsha.kernel import entries, nla, requests, settings
from lvsha.kernel.genetlink import Conversation


class KernelIpvs:
    """IPVS of the network namespace it was opened in. Not for several threads at once."""

    def __init__(self, conversation: Conversation, family: int) -> None:
        self._conversation = conversation
        self._family = family

    @classmethod
    def open(cls) -> KernelIpvs:
        """HostError where the kernel has no IPVS (loaded: see `modules.load_ipvs`)."""
        conversation = Conversation()
        try:
            return cls(conversation, conversation.family(nla.FAMILY))
        except KernelError as error:
            conversation.close()
            if error.errno != errno.ENOENT:
                raise
            raise HostError("ip_vs: the kernel has no IPVS, or it is not loaded") from None

    def close(self) -> None:
        self._conversation.close()

    def info(self) -> IpvsInfo:
        return settings.info(self._ask(requests.get_info(), "ipvs info"))

    def apply(self, commands: Sequence[Command]) -> tuple[Refusal, ...]:
        """See `ports.Ipvs.apply`. A value that fits no field is refused with ERANGE."""
        refused: dict[int, Refusal] = {}
        sent: list[int] = []

        def bodies() -> Iterator[bytes]:
            for index, command in enumerate(commands):
                try:
                    body = requests.encode(command)
                except KernelError as error:
                    refused[index] = Refusal(command, error.errno, error.text)
                else:
                    sent.append(index)
                    yield body

        for number, code, text in self._conversation.batch(self._family, bodies()):
            index = sent[number]
            refused[index] = Refusal(commands[index], code, text)
        return tuple(refused[index] for index in sorted(refused))

    def services(self) -> tuple[ServiceStatus, ...]:
        return entries.service_statuses(self._dump(requests.get_services(), "ipvs services"))

    def service(self, key: Key) -> ServiceStatus:
        answer = self._ask(requests.get_service(key), f"service {key}")
        return entries.service_statuses([answer])[0]

    def destinations(self, key: Key, *, counters: bool = True) -> tuple[DestinationStatus, ...]:
        return entries.destination_statuses(self._destinations(key), key.family, counters=counters)

    def table(self) -> IpvsTable:
        told = self._dump(requests.get_services(), "ipvs services")
        table: dict[Key, ServiceEntry] = {}
        for service in entries.services(told):
            key = service.key
            found = entries.destinations(self._entries(key), key.family)
            table[key] = ServiceEntry(service, {each.key: each for each in found})
        return table

    def read(
        self, keys: Sequence[Key], *, counters: bool = True
    ) -> Iterator[tuple[Key, tuple[DestinationStatus, ...] | None]]:
        for key in keys:
            try:
                yield key, self.destinations(key, counters=counters)
            except KernelError as error:
                if error.errno != errno.ESRCH:
                    raise
                yield key, None

    def timeouts(self) -> Timeouts:
        return settings.timeouts(self._ask(requests.get_timeouts(), "ipvs timeouts"))

    def daemons(self) -> tuple[SyncDaemon, ...]:
        return settings.daemons(self._dump(requests.get_daemons(), "ipvs daemons"))

    def _destinations(self, key: Key) -> list[bytes]:
        """KernelError(ESRCH) without the service: its dump is just as empty as one without
        destinations, so emptiness is asked about."""
        told = self._entries(key)
        if not told:
            self._ask(requests.get_service(key), f"service {key}")
        return told

    def _entries(self, key: Key) -> list[bytes]:
        return self._dump(requests.get_destinations(key), f"destinations of {key}")

    def _ask(self, body: bytes, what: str) -> bytes:
        return self._conversation.ask(self._family, body, what)

    def _dump(self, body: bytes, what: str) -> list[bytes]:
        return self._conversation.dump(self._family, body, what)
