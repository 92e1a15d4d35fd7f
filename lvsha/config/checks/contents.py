"""What is sent to a target and looked for in its answer: bytes, patterns, digests, JSON values.

A `regex` is of RE2, whose time grows with what is searched and never with how: no pattern can
hold up the other checks (docs/decisions/0016).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import PlainValidator, WithJsonSchema

from lvsha.config.checks.texts import matching
from lvsha.config.mapping import Strict
from lvsha.config.wording import WrongValueError, show
from lvsha.core import jsonpath
from lvsha.core.probes import REGEX_MEMORY

PATTERN_LIMIT = 1000
"""Characters of a pattern."""

BODY_LIMIT = 16 * 1024
"""Bytes of a request's body: what one HTTP/2 frame always holds (RFC 9113 §6.5.2)."""

_STRING = {"type": "string"}


class HexBytes(Strict):
    """Bytes that are no text."""

    hex: Annotated[str, WithJsonSchema(_STRING)]
    """Hexadecimal digits; blanks between bytes are allowed."""


def _payload(value: object) -> bytes:
    match value:
        case str() if value:
            return value.encode()
        case dict() if value.keys() == {"hex"}:
            return _from_hex(value["hex"])
        case _:
            raise WrongValueError(
                f"{show(value)} is not bytes", 'write "text\\r\\n" or {hex: "00 ff"}'
            )


def _from_hex(digits: object) -> bytes:
    try:
        if isinstance(digits, str) and digits.strip():
            return bytes.fromhex(digits)
    except ValueError:
        pass
    quotes = "put it in quotes" if isinstance(digits, int) else None
    raise WrongValueError(f"{show(digits)} is not hexadecimal digits", quotes)


def _regex(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise WrongValueError(f"{show(value)} is not a regular expression")
    if len(value) > PATTERN_LIMIT:
        raise WrongValueError(
            f"{show(value)} is longer than {PATTERN_LIMIT} characters, too long for a pattern"
        )
    import re2

    options = re2.Options()
    options.max_mem = REGEX_MEMORY
    options.log_errors = False
    try:
        re2.compile(value.encode(), options)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace")
        hint = "the syntax is RE2's: no look-around, no back-references"
        raise WrongValueError(
            f"{show(value)} is not a regular expression: {reason}", hint
        ) from None
    return value


def _json_path(value: object) -> str:
    try:
        if isinstance(value, str):
            jsonpath.steps(value)
            return value
    except ValueError:
        pass
    hint = 'write $.status, $.checks[0].ok or $["any name"]'
    raise WrongValueError(f"{show(value)} is not a JSON path", hint)


def _json_value(value: object) -> str:
    if isinstance(value, str | bool | int | float):
        return json.dumps(value)
    raise WrongValueError(f"{show(value)} is not text, a number, true or false")


def _request_body(value: object) -> str:
    if not isinstance(value, str):
        quotes = "put it in quotes" if isinstance(value, bool | int | float | Mapping) else None
        raise WrongValueError(f"{show(value)} is not text", quotes)
    if (size := len(value.encode())) > BODY_LIMIT:
        raise WrongValueError(f"{size} bytes are more than {BODY_LIMIT}, too long for a body")
    return value


Payload: TypeAlias = Annotated[
    bytes, PlainValidator(_payload, json_schema_input_type=str | HexBytes)
]
Regex: TypeAlias = Annotated[str, PlainValidator(_regex), WithJsonSchema(_STRING)]
Digest: TypeAlias = Annotated[
    str,
    matching(
        "[0-9a-fA-F]{32}|[0-9a-fA-F]{64}",
        "a digest: 32 hexadecimal digits of MD5 or 64 of SHA-256",
    ),
    WithJsonSchema(_STRING),
]
RequestBody: TypeAlias = Annotated[str, PlainValidator(_request_body), WithJsonSchema(_STRING)]


class JsonEquals(Strict):
    """A value that a JSON body must have."""

    path: Annotated[str, PlainValidator(_json_path), WithJsonSchema(_STRING)]
    """Where: `$` is the whole, `.name` or `["any name"]` a member, `[0]` an element."""
    equals: Annotated[
        str,
        PlainValidator(_json_value),
        WithJsonSchema({"type": ["string", "number", "boolean"]}),
    ]
    """Text, a number, true or false. 1 is 1.0; "1" is not 1."""
