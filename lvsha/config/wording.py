"""How a wrong value is named, and pydantic's errors in this project's words.

A rule of one value raises `WrongValueError`; everything pydantic finds on its own (types, missing
and unknown keys, words outside a choice) is rewritten here.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lvsha.config.document import KeyPath, Report

_LONGEST_VALUE = 60
_NO_MERGE = "mappings are not merged here; an alias stands for the whole of what it names"
_KINDS = {
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_attributes_type": "a mapping",
    "model_type": "a mapping",
    "string_type": "text",
}


class WrongValueError(ValueError):
    """A value breaks a rule; the message names it."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


def show(value: object) -> str:
    """A value of the file as a message names it: short, on one line."""
    match value:
        case None:
            return "an empty value"
        case bool():
            return "true" if value else "false"
        case Mapping():
            return "a mapping"
        case list():
            return "a list" if value else "an empty list"
        case str():
            short = value if len(value) <= _LONGEST_VALUE else f"{value[:_LONGEST_VALUE]}…"
            return repr(short)
        case _:
            return str(value)


def nearest(word: str, known: Sequence[str]) -> str:
    """A hint naming the known word most like this one, or all of them."""
    close = get_close_matches(word, known, n=1) or get_close_matches(word.lower(), known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}"


def report_errors(
    report: Report,
    error: ValidationError,
    model: type[BaseModel],
    at: KeyPath = (),
    settled: Container[KeyPath] = (),
) -> None:
    """Note pydantic's findings about the `model` that stands at `at`, but those `settled`."""
    for detail in error.errors(include_url=False):
        location = detail["loc"]
        path = (*at, *location)
        if path in settled:
            continue
        match detail["type"]:
            case "missing":
                report.wrong(path[:-1], f"missing key {str(path[-1])!r}")
            case "union_tag_not_found":
                report.wrong(path, "missing key 'type'")
            case "union_tag_invalid":
                words = re.findall(r"[\w-]+", detail["ctx"]["expected_tags"])
                report.wrong((*path, "type"), *not_one_of(detail["ctx"]["tag"], words))
            case "extra_forbidden":
                key = str(location[-1])
                hint = _NO_MERGE if key == "<<" else nearest(key, _known_keys(model, location[:-1]))
                report.wrong(path, f"unknown key {key!r}", hint)
            case _:
                report.wrong(path, *_reword(detail))


def not_one_of(value: object, words: Sequence[str]) -> tuple[str, str | None]:
    """Message and hint for a value outside a choice."""
    close = get_close_matches(str(value).lower(), words, n=1)
    hint = f"did you mean {close[0]!r}?" if close else None
    if value in words:  # text where a number is meant
        hint = "write it without quotes"
    return f"{show(value)} is not one of {', '.join(words)}", hint


def _reword(detail: ErrorDetails) -> tuple[str, str | None]:
    kind, value = detail["type"], detail["input"]
    if kind == "value_error":
        wrong = detail["ctx"]["error"]
        return str(wrong), getattr(wrong, "hint", None)
    if kind == "literal_error":
        return not_one_of(
            value, re.findall(r"[\w-]+", detail["ctx"]["expected"].replace(" or ", " "))
        )
    what = _KINDS.get(kind, "what belongs here")
    quotes = kind == "string_type" and isinstance(value, bool | int | float)
    return f"{show(value)} is not {what}", "put it in quotes" if quotes else None


def _known_keys(model: type[BaseModel], location: KeyPath) -> tuple[str, ...]:
    """The keys that the mapping at `location` inside `model` may have."""
    models = [model]
    for part in map(str, location):
        fields = [each.model_fields[part] for each in models if part in each.model_fields]
        inner = [found for each in fields for found in _models_in(each.annotation)]
        tagged = [each for each in models if part in _tags(each)]
        models = inner or tagged or models
    return tuple(dict.fromkeys(_keys(models)))


def _keys(models: Sequence[type[BaseModel]]) -> Iterator[str]:
    for model in models:
        for name, field in model.model_fields.items():
            yield field.alias or name


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    """The words of its `type` that choose a model among several."""
    field = model.model_fields.get("type")
    return get_args(field.annotation) if field else ()


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
