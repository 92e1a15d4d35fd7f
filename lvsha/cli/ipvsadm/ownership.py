"""Which services running lvsha daemons own: what is edited there will be reconciled away."""

from __future__ import annotations

import os
from collections.abc import Iterable

from lvsha.core.commands import (
    AddDestination,
    AddService,
    Command,
    DeleteDestination,
    DeleteService,
    Flush,
    SetDestination,
    SetService,
)
from lvsha.core.types import Key

SOCKETS = "/proc/net/unix"
"""The Unix sockets of this network namespace, a line each: a daemon edits the table of its own."""

OWNED = "owned.json"
CONTROLS = ("control.sock", "control.new")
"""The kernel keeps the name a control socket was bound under, before it was moved into place."""

ACCEPTS = 0x10000
"""__SO_ACCEPTCON in the column Flags: listening."""


class Ownership:
    """Read once, when the first edit asks."""

    def __init__(self, sockets: str = SOCKETS) -> None:
        self._sockets = sockets
        self._directories: dict[Key, str] | None = None
        self._said: set[Key] = set()

    def warnings(self, command: Command) -> list[str]:
        """A line for each owned service this command touches, the first time it does."""
        if self._directories is None:
            self._directories = dict(_owned(self._sockets))
        if not self._directories:
            return []
        touched = [key for key in _touched(command, self._directories) if key not in self._said]
        self._said.update(touched)
        return [
            f"lvsha: {key} belongs to the daemon on {self._directories[key]}: "
            "this edit will be reconciled away"
            for key in touched
        ]


def _touched(command: Command, owned: Iterable[Key]) -> list[Key]:
    match command:
        case AddService(service) | SetService(service):
            keys = [service.key]
        case DeleteService(key) | AddDestination(key, _):
            keys = [key]
        case SetDestination(key, _) | DeleteDestination(key, _):
            keys = [key]
        case Flush():
            return list(owned)
        case _:
            keys = []
    return [key for key in keys if key in owned]


def _owned(sockets: str) -> Iterable[tuple[Key, str]]:
    try:
        with open(sockets, encoding="utf-8", errors="surrogateescape") as file:
            directories = sorted(_listening(file))
    except OSError:
        return
    for directory in directories:
        for key in _keys(os.path.join(directory, OWNED)):
            yield key, directory


def _listening(lines: Iterable[str]) -> Iterable[str]:
    """Directories with a control socket that a process listens on."""
    for line in lines:
        match line.rstrip("\n").split(maxsplit=7):
            case [_, _, _, flags, _, _, _, path] if path.endswith(CONTROLS):
                if int(flags, 16) & ACCEPTS:
                    yield os.path.dirname(path)


def _keys(path: str) -> list[Key]:
    """A file that cannot be read warns of nothing: the edit itself matters more."""
    import json

    from lvsha.core.codec import decode

    try:
        with open(path, encoding="utf-8") as file:
            services = json.load(file)["services"]
        return [decode(Key, each) for each in services]
    except (OSError, ValueError, KeyError, TypeError):
        return []
