"""Where a value stands in a JSON document: a small part of JSONPath (RFC 9535).

`$` is the document, `.name` and `["any name"]` a member, `[0]` an element from 0 on. No wildcard,
filter or slice: a path names one value or none.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeAlias

Step: TypeAlias = str | int

_STEP = re.compile(r'\.([A-Za-z_][A-Za-z0-9_-]*)|\["([^"\\]+)"\]|\[(0|[1-9][0-9]{0,8})\]')


class _Nothing:
    """What stands nowhere; JSON has a null of its own."""


NOTHING: Final = _Nothing()


def steps(path: str) -> tuple[Step, ...]:
    """The members and elements a path goes through. ValueError when it is none."""
    if not path.startswith("$"):
        raise ValueError(path)
    found: list[Step] = []
    place = 1
    while place < len(path):
        match = _STEP.match(path, place)
        if match is None:
            raise ValueError(path)
        name, quoted, index = match.groups()
        found.append(int(index) if index is not None else name or quoted)
        place = match.end()
    return tuple(found)


def value_at(document: Any, way: tuple[Step, ...]) -> Any:
    """The value there, or NOTHING."""
    for step in way:
        match document, step:
            case dict(), str() if step in document:
                document = document[step]
            case list(), int() if step < len(document):
                document = document[step]
            case _:
                return NOTHING
    return document


def same(found: Any, wanted: Any) -> bool:
    """Equal in JSON: 1 is 1.0, but true is no 1 and "1" is no 1."""
    return bool(found == wanted) and isinstance(found, bool) is isinstance(wanted, bool)
