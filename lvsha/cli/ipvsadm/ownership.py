"""Which services running lvsha daemons own: what is edited there will be reconciled away."""

from __future__ import annotations

import os
import socket
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

RUNTIME_ROOT = "/run/lvsha"
OWNED = "owned.json"
CONTROL = "control.sock"


class Ownership:
    """Read once, when the first edit asks."""

    def __init__(self, root: str = RUNTIME_ROOT) -> None:
        self._root = root
        self._clusters: dict[Key, str] | None = None
        self._said: set[Key] = set()

    def warnings(self, command: Command) -> list[str]:
        """A line for each owned service this command touches, the first time it does."""
        if self._clusters is None:
            self._clusters = dict(_owned(self._root))
        if not self._clusters:
            return []
        touched = [key for key in _touched(command, self._clusters) if key not in self._said]
        self._said.update(touched)
        return [
            f"lvsha: {key} belongs to the running cluster {self._clusters[key]}: "
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


def _owned(root: str) -> Iterable[tuple[Key, str]]:
    try:
        clusters = sorted(os.listdir(root))
    except OSError:
        return
    for cluster in clusters:
        directory = os.path.join(root, cluster)
        if os.path.exists(os.path.join(directory, OWNED)) and _runs(directory):
            for key in _keys(os.path.join(directory, OWNED)):
                yield key, cluster


def _runs(directory: str) -> bool:
    with socket.socket(socket.AF_UNIX) as end:
        end.settimeout(1.0)
        try:
            end.connect(os.path.join(directory, CONTROL))
        except OSError:
            return False
    return True


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
