"""A document judged by the schema, with whatever is wrong cut out.

Rules between values are worth judging in a file that has mistakes elsewhere: all mistakes come
at once. So a real server, service or router with a mistake is cut out and the rest validated
again; `unsure` names the top-level keys about which nothing can be concluded any more.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from lvsha.config.document import Document, KeyPath, Report
from lvsha.config.mapping import CUT
from lvsha.config.schema import ClusterFile
from lvsha.config.wording import report_errors

_ROUNDS = 4
_STAND_INS: dict[str, Any] = {"cluster": "cut", "nodes": {}}


@dataclass(frozen=True, slots=True)
class Draft:
    """What is sound of a file."""

    file: ClusterFile
    unsure: frozenset[str]


def judge(document: Document, report: Report) -> Draft | None:
    """The sound part of a document; its mistakes go to the report. None: nothing is sound."""
    empty: set[KeyPath] = set()
    data = _without_empty(document.data, (), empty)
    for path in empty:
        report.wrong(path, "has no value", "give it one, or leave the key out")
    unsure = {str(path[0]) for path in empty}
    for round_ in range(_ROUNDS):
        try:
            return Draft(ClusterFile.model_validate(data), frozenset(unsure))
        except ValidationError as error:
            if round_ == 0:
                report_errors(report, error, ClusterFile, settled=empty)
            data = copy.deepcopy(data)
            errors = error.errors(include_url=False, include_input=False, include_context=False)
            unsure |= _cut_all(data, ((detail["type"], detail["loc"]) for detail in errors))
    return None


def _without_empty(value: Any, path: KeyPath, empty: set[KeyPath]) -> Any:
    """The value without keys that have none, whose paths are noted."""
    if isinstance(value, list):
        return [_without_empty(item, (*path, i), empty) for i, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, item in value.items():
        if item is None:
            empty.add((*path, key))
        else:
            kept[key] = _without_empty(item, (*path, key), empty)
    return kept


def _cut_all(data: dict[str, Any], errors: Iterable[tuple[str, KeyPath]]) -> set[str]:
    """Cut each mistake out of `data`; the top-level keys that lost something of meaning."""
    unsure = set()
    for kind, location in errors:
        if kind == "extra_forbidden":
            _drop_key(data, location)
        else:
            _cut(data, location)
            unsure.add(str(location[0]))
    return unsure


def _drop_key(data: Any, location: KeyPath) -> None:
    parents: list[Any] = list(location[:-1])
    for part in parents:
        if isinstance(data, list) or (isinstance(data, dict) and part in data):
            data = data[part]
    if isinstance(data, dict):
        data.pop(location[-1], None)


def _cut(data: dict[str, Any], location: KeyPath) -> None:
    match location:
        case ("virtual_services", int(i), "real_servers", int(j), *_):
            service = data["virtual_services"][i]
            if service is not CUT:
                service["real_servers"][j] = CUT
        case ("virtual_services" | "virtual_routers" as top, int(i), *_):
            data[top][i] = CUT
        case (str(top), *_):
            data.pop(top, None)
            if top in _STAND_INS:
                data[top] = _STAND_INS[top]
