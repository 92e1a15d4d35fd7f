"""YAML → plain data that knows its places. The only importer of yaml.

Built from libyaml's events rather than its nodes: iterative (no depth can exhaust the stack),
twice as fast, and ours to bound. Numbers, true, false and null follow JSON's grammar, so
that `on`, `010` and `12:30:45` stay the text they look like. Keys are always text.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lvsha.config.document import Document, KeyPath, Place, show_path
from lvsha.errors import ConfigError, HostError, Mistake, UsageError

MAX_BYTES = 16_000_000
MAX_DEPTH = 64
MAX_VALUES = 2_000_000
"""Values of a file with its aliases written out: bounds what anchors can multiply."""

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?P<real>(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def find_file(directory: Path = Path("/etc/lvsha")) -> Path:
    """The only cluster file of this machine. UsageError when there is none, or a choice."""
    files = sorted(directory.glob("*.yaml"))
    match files:
        case [only]:
            return only
        case []:
            raise UsageError(f"no cluster file given, and {directory} holds no *.yaml")
        case _:
            names = ", ".join(file.name for file in files)
            raise UsageError(f"no cluster file given, and {directory} holds several: {names}")


def read(path: str | Path) -> Document:
    """The data of a file.

    UsageError: there is no such file. HostError: it can't be read. ConfigError: it holds no YAML
    mapping, or one beyond the bounds above.
    """
    name = str(path)
    return parse(_decode(_load(Path(path)), name), name)


def parse(text: str, name: str) -> Document:
    """The data of a text; `name` is what mistakes call the file. Raises ConfigError."""
    builder = _Builder(name)
    try:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text, name) from None
    except yaml.reader.ReaderError as error:
        line, column = _position(text.encode(), error.position)
        raise _fatal(name, line, column, f"not YAML: {error.reason}") from None
    return builder.document()


def _load(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise UsageError(f"{path}: is a directory, not a cluster file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise HostError(f"{path}: {reason or error}") from None


def _decode(content: bytes, name: str) -> str:
    if len(content) > MAX_BYTES:
        raise _fatal(name, 1, 1, f"the file is larger than {MAX_BYTES // 1_000_000} MB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _position(content, error.start)
        bad = f"byte 0x{content[error.start]:02x}"
        raise _fatal(name, line, column, f"not UTF-8 text: {bad}") from None


def _position(content: bytes, offset: int) -> tuple[int, int]:
    before = content[:offset]
    start = before.rfind(b"\n") + 1
    return before.count(b"\n") + 1, len(before[start:].decode("utf-8", "replace")) + 1


def _fatal(name: str, line: int, column: int, message: str, hint: str | None = None) -> ConfigError:
    return ConfigError((Mistake(name, line, column, "", message, hint),))


def _syntax_error(error: yaml.MarkedYAMLError, text: str, name: str) -> ConfigError:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    words = " ".join(filter(None, (error.problem, error.context)))
    lines = text.splitlines()
    hint = _syntax_hint(lines[line] if line < len(lines) else "")
    return _fatal(name, line + 1, column + 1, f"not YAML: {words}", hint)


def _syntax_hint(line: str) -> str | None:
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "indent with spaces, not tabs"
    return "put IPv6 addresses in quotes" if "::" in line else None


def _resolve(text: str) -> Any:
    """The value of a plain scalar."""
    if text in _WORDS:
        return _WORDS[text]
    number = _NUMBER.fullmatch(text)
    if number is None:
        return text
    if not number["real"]:
        return int(text)
    return float(text) if math.isfinite(float(text)) else text


@dataclass(slots=True)
class _Mapping:
    """A mapping being filled; `key` is the one whose value comes next."""

    start: Place
    anchor: str | None
    first: int
    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    key: str | None = None
    key_place: Place = field(default=Place(1, 1))

    def put(self, value: Any, place: Place) -> None:
        assert self.key is not None
        if self.key not in self.values:
            self.values[self.key] = value
            self.places[self.key] = self.key_place._replace(inside=place.inside)
        self.key = None

    @property
    def step(self) -> str | None:
        return self.key


@dataclass(slots=True)
class _List:
    """A list being filled."""

    start: Place
    anchor: str | None
    first: int
    values: list[Any] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)

    def put(self, value: Any, place: Place) -> None:
        self.values.append(value)
        self.places.append(place)

    @property
    def step(self) -> int:
        return len(self.values)


class _Builder:
    """Events in, a document out."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._open: list[_Mapping | _List] = []
        self._anchors: dict[str, tuple[Any, Place, int]] = {}
        self._mistakes: list[Mistake] = []
        self._count = 0
        self._root: tuple[Any, Place] | None = None

    def take(self, event: yaml.Event) -> None:
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent():
                self._start(event, _Mapping(_place(event), event.anchor, self._count))
            case yaml.SequenceStartEvent():
                self._start(event, _List(_place(event), event.anchor, self._count))
            case yaml.CollectionEndEvent():
                self._end(event)
            case yaml.AliasEvent():
                self._alias(event)
            case yaml.DocumentStartEvent() if self._root is not None:
                raise self._stop(event, "a second document starts here; the file holds one")

    def document(self) -> Document:
        data, place = self._root or (None, Place(1, 1))
        match data:
            case dict():
                return Document(self._name, data, place, tuple(self._mistakes))
            case None:
                raise _fatal(self._name, 1, 1, "the file is empty")
            case _:
                what = "a list" if isinstance(data, list) else "a single value"
                message = f"{what} stands where the cluster's keys should"
                raise _fatal(self._name, place.line, place.column, message)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._refuse_tag(event)
        top = self._open[-1] if self._open else None
        if isinstance(top, _Mapping) and top.key is None:
            self._key(top, event)
            return
        self._grow(event, 1)
        value = _resolve(event.value) if event.implicit[0] else event.value
        self._put(value, _place(event), event.anchor, 1)

    def _key(self, mapping: _Mapping, event: yaml.ScalarEvent) -> None:
        mapping.key, mapping.key_place = event.value, _place(event)
        if event.value in mapping.values:
            first = mapping.places[event.value].line
            message = f"key {event.value!r} stands twice"
            self._mistakes.append(self._mistake(event, message, f"first on line {first}"))

    def _start(self, event: yaml.NodeEvent, opened: _Mapping | _List) -> None:
        self._refuse_tag(event)
        self._refuse_as_key(event)
        if len(self._open) >= MAX_DEPTH:
            line, column, _ = _place(event)
            raise _fatal(self._name, line, column, f"more than {MAX_DEPTH} levels deep")
        self._grow(event, 1)
        self._open.append(opened)

    def _end(self, event: yaml.Event) -> None:
        closed = self._open.pop()
        place = closed.start._replace(inside=closed.places)
        self._put(closed.values, place, closed.anchor, self._count - closed.first)

    def _alias(self, event: yaml.AliasEvent) -> None:
        self._refuse_as_key(event)
        if event.anchor not in self._anchors:
            inside = any(opened.anchor == event.anchor for opened in self._open)
            why = "stands inside what it names" if inside else "names no anchor above it"
            raise self._stop(event, f"alias '*{event.anchor}' {why}")
        value, place, size = self._anchors[event.anchor]
        self._grow(event, size)
        self._put(value, _place(event)._replace(inside=place.inside), None, size)

    def _put(self, value: Any, place: Place, anchor: str | None, size: int) -> None:
        if anchor is not None:
            self._anchors[anchor] = (value, place, size)
        if self._open:
            self._open[-1].put(value, place)
        else:
            self._root = (value, place)

    def _grow(self, event: yaml.Event, size: int) -> None:
        self._count += size
        if self._count > MAX_VALUES:
            raise self._stop(event, f"more than {MAX_VALUES} values, aliases written out")

    def _refuse_tag(self, event: Any) -> None:
        if event.tag is not None:
            shown = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._mistakes.append(self._mistake(event, f"tag {shown!r} means nothing here"))

    def _refuse_as_key(self, event: yaml.Event) -> None:
        top = self._open[-1] if self._open else None
        if isinstance(top, _Mapping) and top.key is None:
            raise self._stop(event, "a key must be a single word")

    def _mistake(self, event: yaml.Event, message: str, hint: str | None = None) -> Mistake:
        line, column, _ = _place(event)
        steps = (opened.step for opened in self._open)
        path: KeyPath = tuple(step for step in steps if step is not None)
        return Mistake(self._name, line, column, show_path(path), message, hint)

    def _stop(self, event: yaml.Event, message: str) -> ConfigError:
        return ConfigError((*self._mistakes, self._mistake(event, message)))


def _place(event: yaml.Event) -> Place:
    mark = event.start_mark
    assert mark is not None
    return Place(mark.line + 1, mark.column + 1)
