"""The single values of checks: paths, host names, headers, texts, statuses.

As in `config.scalars`, each is a rule raising `WrongValueError` together with its JSON Schema.
"""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from lvsha.config.wording import WrongValueError, show

_RANGE = re.compile(r"([1-9][0-9]{2})-([1-9][0-9]{2})")
_STRING = WithJsonSchema({"type": "string"})


def matching(pattern: str, what: str) -> PlainValidator:
    """A rule: text of this pattern, named `what` where a value is none."""
    compiled = re.compile(pattern)

    def parse(value: object) -> str:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            quotes = "put it in quotes" if isinstance(value, bool | int | float) else None
            raise WrongValueError(f"{show(value)} is not {what}", quotes)
        return value

    return PlainValidator(parse)


def _status_range(value: object) -> tuple[int, int]:
    if isinstance(value, int) and not isinstance(value, bool):
        low = high = value
    elif isinstance(value, str) and (match := _RANGE.fullmatch(value)):
        low, high = int(match[1]), int(match[2])
    else:
        raise WrongValueError(
            f"{show(value)} is not a status or a range of them", "write 200 or 200-299"
        )
    if not 100 <= low <= high <= 599:
        raise WrongValueError(f"{show(value)} is not within 100-599 in rising order")
    return low, high


def _some_statuses(value: object) -> object:
    if value == []:
        raise WrongValueError("an empty list accepts no answer at all")
    return value if isinstance(value, list) else [value]


Path: TypeAlias = Annotated[
    str, matching(r"/[\x21-\x7e]*", "a path: it starts with / and has no blanks"), _STRING
]
Host: TypeAlias = Annotated[str, matching(r"[\x21-\x7e]+", "a host name"), _STRING]
Method: TypeAlias = Annotated[str, matching("[A-Z]+", "an HTTP method: capital letters"), _STRING]
HeaderName: TypeAlias = Annotated[
    str, matching(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", "a header name"), _STRING
]
HeaderValue: TypeAlias = Annotated[
    str, matching(r"[^\x00-\x1f\x7f]+", "a header value on one line"), _STRING
]
Text: TypeAlias = Annotated[str, matching(r"(?s).+", "text to look for"), _STRING]
StatusRange: TypeAlias = Annotated[
    tuple[int, int],
    PlainValidator(_status_range),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 100, "maximum": 599},
                {"type": "string", "pattern": "^[1-5][0-9]{2}-[1-5][0-9]{2}$"},
            ]
        }
    ),
]
Statuses: TypeAlias = Annotated[
    list[StatusRange],
    BeforeValidator(_some_statuses, json_schema_input_type=StatusRange | list[StatusRange]),
    Field(json_schema_extra={"default": ["200-299"]}),
]
