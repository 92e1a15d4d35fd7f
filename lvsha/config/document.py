"""A cluster file's plain data, and where in the file each of its keys stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from lvsha.errors import ConfigError, Mistake

KeyPath: TypeAlias = tuple[str | int, ...]
"""Mapping keys and list indices from the top of the file."""

_PLAIN_KEY = re.compile(r"[\w./-]+")


class Place(NamedTuple):
    """Line and column, from 1, and the places of what is inside.

    Of a mapping's value it is where its key stands, of a list's item where the item starts.
    """

    line: int
    column: int
    inside: Mapping[str, Place] | Sequence[Place] | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """What a file says; `mistakes` are those of its YAML that did not stop the reading."""

    name: str
    data: dict[str, Any]
    root: Place
    mistakes: tuple[Mistake, ...] = ()

    def locate(self, path: KeyPath) -> tuple[KeyPath, Place]:
        """The parts of `path` that the file has, and the place they lead to."""
        found: list[str | int] = []
        place = self.root
        for part in path:
            inner = _step(place, part)
            if inner is not None:
                found.append(part)
                place = inner
        return tuple(found), place


def _step(place: Place, part: str | int) -> Place | None:
    match place.inside, part:
        case Mapping() as inside, str():
            return inside.get(part)
        case list() as inside, int():
            return inside[part] if part < len(inside) else None
        case _:
            return None


@dataclass(slots=True)
class Report:
    """The mistakes found in a document so far. One place and message counts once."""

    document: Document
    found: dict[Mistake, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.found.update(dict.fromkeys(self.document.mistakes))

    def wrong(self, path: KeyPath, message: str, hint: str | None = None) -> None:
        """Note a mistake at `path`, or at the nearest part of it that the file has."""
        known, place = self.document.locate(path)
        where = (self.document.name, place.line, place.column, show_path(known))
        self.found[Mistake(*where, message, hint)] = None

    def settle(self) -> None:
        """Raise ConfigError with every mistake, in file order, if there is one."""
        if self.found:
            raise ConfigError(tuple(sorted(self.found, key=lambda m: (m.line, m.column))))


def show_path(path: KeyPath) -> str:
    """`virtual_services[0].check.timeout`."""
    return "".join(_parts(path)).removeprefix(".")


def _parts(path: KeyPath) -> Iterator[str]:
    for part in path:
        if isinstance(part, int):
            yield f"[{part}]"
        else:
            yield f".{part}" if _PLAIN_KEY.fullmatch(part) else f".{part!r}"
