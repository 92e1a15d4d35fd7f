"""What the kernel refused, with its words: each said once, and kept until it is done after all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Set

from lvsha.core.commands import Refusal, place
from lvsha.core.types import DestinationKey, Key
from lvsha.errors import KernelError
from lvsha.runtime.logs import log


class Complaints:
    """Of one table. `name` says what a service is called in the log.

    `refused` has the kernel's words by service and destination; None: the service itself.
    """

    def __init__(self, name: Callable[[Key], str]) -> None:
        self._name = name
        self._troubles: dict[str, str] = {}
        self.refused: dict[Key, dict[DestinationKey | None, str]] = {}
        self.total = 0

    def note(self, refusal: Refusal) -> None:
        """A command was refused."""
        self.total += 1
        key, dest = place(refusal.command)
        text = str(KernelError(refusal.errno, "", refusal.text))
        known = self.refused.setdefault(key, {})
        if known.get(dest) != text:
            known[dest] = text
            server = str(dest) if dest else None
            log.error("kernel.error", service=self._name(key), server=server, error=text)

    def forget(self, key: Key, dest: DestinationKey | None) -> None:
        """What is at this place is as it should be."""
        if not self.refused or key not in self.refused:
            return
        self.refused[key].pop(dest, None)
        if not self.refused[key]:
            del self.refused[key]

    def keep_only(self, key: Key, pending: Collection[DestinationKey | None]) -> None:
        """Everything of a service but this is as it should be."""
        for dest in self.refused.get(key, {}).keys() - pending:
            self.forget(key, dest)

    def keep_services(self, keys: Set[Key]) -> None:
        """Nothing else is ours: of what comes back one day all is said anew."""
        for key in self.refused.keys() - keys:
            del self.refused[key]

    def trouble(self, what: str, error: KernelError) -> None:
        """The conversation itself broke: said once, not at every resync."""
        self.total += 1
        if self._troubles.get(what) != str(error):
            log.error("kernel.error", what=what, error=str(error))
        self._troubles[what] = str(error)

    def trouble_is_over(self) -> None:
        """All of the table could be read."""
        self._troubles.clear()
