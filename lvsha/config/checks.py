"""What the file may say of health checks: one model per type, written in levels.

A check is given in `defaults`, in a service, in a real server, each level saying only what
differs. So every key is optional here; `inherit` puts the levels together.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema

from lvsha.config.mapping import Strict
from lvsha.config.scalars import CheckInterval, CheckTimeout, IpAddress, RealPort, Results
from lvsha.config.wording import WrongValueError, show

_TEXT = re.compile(r"[^\x00-\x1f\x7f]+")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PATH = re.compile(r"/[\x21-\x7e]*")
_HOST = re.compile(r"[\x21-\x7e]+")
_METHOD = re.compile(r"[A-Z]+")
_RANGE = re.compile(r"([1-9][0-9]{2})-([1-9][0-9]{2})")


def _matching(pattern: re.Pattern[str], what: str) -> PlainValidator:
    def parse(value: object) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
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


_STRING = {"type": "string"}
Path: TypeAlias = Annotated[
    str, _matching(_PATH, "a path: it starts with / and has no blanks"), WithJsonSchema(_STRING)
]
Host: TypeAlias = Annotated[str, _matching(_HOST, "a host name"), WithJsonSchema(_STRING)]
Method: TypeAlias = Annotated[
    str, _matching(_METHOD, "an HTTP method: capital letters"), WithJsonSchema(_STRING)
]
HeaderName: TypeAlias = Annotated[str, _matching(_TOKEN, "a header name"), WithJsonSchema(_STRING)]
HeaderValue: TypeAlias = Annotated[
    str, _matching(_TEXT, "a header value on one line"), WithJsonSchema(_STRING)
]
Text: TypeAlias = Annotated[
    str, _matching(re.compile(r"(?s).+"), "text to look for"), WithJsonSchema(_STRING)
]
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


class CommonCheck(Strict):
    """What a check of any type may say."""

    address: IpAddress | None = None
    """Where to probe; default the real server's address."""
    port: RealPort | None = None
    """Where to probe; default the real server's port."""
    interval: CheckInterval = 2.0
    """From the start of one probe to the start of the next: 10ms to 24h."""
    timeout: CheckTimeout = 1.0
    """For the whole probe, not longer than `interval`, which also bounds the default."""
    rise: Results = 2
    """Passes in a row that bring a server back. The first verdict of all needs only one."""
    fall: Results = 3
    """Failures in a row that take a server out."""


class TcpCheck(CommonCheck):
    """The target accepts a TCP connection."""

    type: Literal["tcp"] = "tcp"


class HttpCheck(CommonCheck):
    """The target answers an HTTP/1.1 request with a wanted status."""

    type: Literal["http"] = "http"
    path: Path = "/"
    """Path and query of the request."""
    host: Host | None = None
    """The Host header; default the probed address."""
    method: Method = "GET"
    """The request's method."""
    headers: dict[HeaderName, HeaderValue] = {}
    """Further headers of the request."""
    status: Annotated[
        list[StatusRange],
        BeforeValidator(_some_statuses, json_schema_input_type=StatusRange | list[StatusRange]),
        Field(json_schema_extra={"default": ["200-299"]}),
    ] = [(200, 299)]
    """Statuses and ranges of them that count as a pass."""
    contains: Text | None = None
    """Text that must stand in the body."""


CHECKS: dict[str, type[TcpCheck | HttpCheck]] = {"tcp": TcpCheck, "http": HttpCheck}
PACE = frozenset({"interval", "timeout", "rise", "fall"})
"""Keys inherited whatever the types; a type's own options stay with the type."""


def check_level(value: object) -> object:
    """A level is judged when its type is known, which it may inherit: here only its shape."""
    if value == "none" or isinstance(value, dict):
        return value
    raise WrongValueError(f"{show(value)} is not a check", "write `none` or {type: tcp}")
