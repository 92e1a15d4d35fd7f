"""A document judged by the schema, with whatever is wrong cut out.

Rules between values are worth judging in a file that has mistakes elsewhere: all mistakes come
at once. So what has a mistake is cut out, as little as can be named, and the rest validated
again; the models know nothing of the keys that were cut (`config.mapping`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from lvsha.config.document import Document, KeyPath, Report, show_path
from lvsha.config.mapping import CUT, Strict
from lvsha.config.schema import ClusterFile
from lvsha.config.wording import report_errors

_ROUNDS = 4
_STAND_INS: dict[str, Any] = {
    "cluster": "cut",
    "name": "cut",
    "nodes": {},
    "address": "192.0.2.1",
    "virtual_router_id": 1,
    "addresses": [],
    "real_servers": [],
    "routers": [],
}
"""In the places of needed keys that were cut; nobody gets to see them."""

_CUTS: tuple[tuple[object, ...], ...] = (
    ("virtual_services", int, "backups", int, int, str),
    ("virtual_services", int, "backups", int, int),
    ("virtual_services", int, "real_servers", int, str),
    ("virtual_services", int, "real_servers", int),
    ("virtual_services", int, str),
    ("virtual_services", int),
    ("virtual_routers", int, "addresses", int),
    ("virtual_routers", int, "excluded_addresses", int),
    ("virtual_routers", int, "track", int),
    ("virtual_routers", int, "routes", int),
    ("virtual_routers", int, str),
    ("virtual_routers", int),
    ("sync_groups", int, str),
    ("sync_groups", int),
    ("nodes", str, str),
    ("defaults", str),
    (str,),
)
"""What can be cut out by itself, the least first."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What is sound of a file; `cuts` are the paths of what is not."""

    file: ClusterFile
    cuts: frozenset[KeyPath]

    def knows(self, top: str, *keys: str) -> bool:
        """Whether all items below a top-level key are there, each with these keys sound."""
        return not any(
            cut[0] == top and (len(cut) < 3 or not keys or cut[2] in keys) for cut in self.cuts
        )


def judge(document: Document, report: Report) -> Draft | None:
    """The sound part of a document; its mistakes go to the report. None: nothing is sound."""
    empty: set[KeyPath] = set()
    data = _without_empty(document.data, (), empty)
    for path in empty:
        report.wrong(path, "has no value", "give it one, or leave the key out")
    cuts = {_cut_of(data, path) for path in empty if "check" not in path[:-1]}
    for round_ in range(_ROUNDS):
        try:
            file = ClusterFile.model_validate(data)
        except ValidationError as error:
            if round_ == 0:
                report_errors(report, error, ClusterFile, settled=empty)
            data = copy.deepcopy(data)
            errors = error.errors(include_url=False, include_input=False, include_context=False)
            cuts |= _cut_all(data, ((detail["type"], detail["loc"]) for detail in errors))
        else:
            outermost = {cut for cut in cuts if not any(cut[:n] in cuts for n in range(len(cut)))}
            for cut in outermost:
                _forget(file, cut)
            return Draft(file, frozenset(outermost))
    return None


def _without_empty(value: Any, path: KeyPath, empty: set[KeyPath]) -> Any:
    """The value without keys that have none, whose paths are noted. Levels of checks keep them."""
    if isinstance(value, list):
        return [_without_empty(item, (*path, i), empty) for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, item in value.items():
        if item is not None:
            kept[key] = _without_empty(item, (*path, key), empty)
            continue
        empty.add((*path, key))
        if "check" in path:
            kept[key] = CUT
    return kept


def _cut_all(data: dict[str, Any], errors: Iterable[tuple[str, KeyPath]]) -> set[KeyPath]:
    """Cut each mistake out of `data`; the paths of what was cut. Unknown keys mean nothing."""
    cuts = set()
    for kind, location in errors:
        if kind == "extra_forbidden":
            _drop(data, location)
        else:
            cut = _cut_of(data, location)
            _cut(data, cut)
            cuts.add(cut)
    return cuts


def _drop(data: Any, location: KeyPath) -> None:
    parents: list[Any] = list(location[:-1])
    for part in parents:
        if isinstance(data, list) or (isinstance(data, dict) and part in data):
            data = data[part]
    if isinstance(data, dict):
        data.pop(location[-1], None)


def _cut_of(data: dict[str, Any], location: KeyPath) -> KeyPath:
    """The least that can be cut out so that what is wrong at `location` is gone."""
    return next(location[: len(shape)] for shape in _CUTS if _is_there(data, location, shape))


def _is_there(data: Any, location: KeyPath, shape: tuple[object, ...]) -> bool:
    if len(location) < len(shape):
        return False
    for part, wanted in zip(location, shape, strict=False):
        fits = isinstance(part, wanted) if isinstance(wanted, type) else part == wanted
        if not fits or part == "[key]" or not isinstance(data, dict | list):
            return False
        data = data.get(part) if isinstance(data, dict) else data[int(part)]
    return True


def _cut(data: dict[str, Any], cut: KeyPath) -> None:
    holder: Any = data
    for part in cut[:-1]:
        if holder is CUT:
            return
        holder = holder[part]
    last: Any = cut[-1]
    if isinstance(holder, list):
        holder[last] = CUT
    elif isinstance(holder, dict):
        holder.pop(last, None)
        if last in _STAND_INS:
            holder[last] = _STAND_INS[last]


def _forget(file: ClusterFile, cut: KeyPath) -> None:
    """A thing without a name is called by its place: others may still be told apart from it."""
    holder: Any = file
    for part in cut[:-1]:
        holder = getattr(holder, str(part)) if isinstance(holder, Strict) else holder[part]
    match holder, cut[-1]:
        case Strict(), "name":
            holder.__dict__["name"] = show_path(cut[:-1])
        case Strict(), str(key):
            holder.forget(key)
