"""docs/reference.md, written from the schema: `python -m lvsha.config.reference`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lvsha.config.checks import DEFAULT_TYPE
from lvsha.config.schema import json_schema

_HEAD = """\
# The cluster file, key by key

Written from the schema by `python -m lvsha.config.reference`; a test keeps it current.

A **duration** is `800ms`, `2s`, `5m`, `1h`, or a number of seconds. A **name** is made of
`A-Z a-z 0-9 _ . -`. Every key that is not here is an error, and so is a key without a value.
true and false are the only booleans; other words, `yes` and `on` among them, are text.

A **check** is put together from what `defaults`, the service and the real server say. Its pace
(the `interval` keys, `jitter`, `timeout`, `rise` and `fall`) is inherited key by key; the other
keys only where the type is the same or left out. Without a `type` at any level it is tcp. No check
anywhere, or `check: none`: the server is always up. Where a real server's port is 0 the check says
which `port` to probe. A `source`, `device` or `mark` that this machine can't take says nothing
about the target.

A **list** of checks is several at once, each with its own pace; `checks_required` says whether all
of them or any one must pass. Each inherits from the single check above the list. Below a list,
keys without a `type` refine each of its checks, and a check with one takes the list's place.

A **fwmark** service and one of port 0 leave every packet the port its client chose: with dr and
tun a real server has no port of its own there; with nat it may have one, to which all are mapped.
"""
_NAMED_PATTERNS = {
    "^[A-Za-z0-9_.-]+$": "name",
    r"^[^\s/:]{1,15}$": "interface",
    r"^[0-9]+(\.[0-9]+)?(ms|s|m|h)$": "duration",
    "^[0-9A-Fa-f:.]+$": "IP address",
    "^[0-9A-Fa-f:.]+(-[0-9A-Fa-f:.]+)?$": "IP address or range",
    "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$": "IP address, or address/prefix",
    "^.+:[0-9]+$": "address:port",
    "^[1-5][0-9]{2}-[1-5][0-9]{2}$": "range like 200-299",
}


def reference() -> str:
    """The page as Markdown."""
    schema = json_schema()
    sections = [_section("The file", schema)]
    sections += [_section(name, schema["$defs"][name]) for name in _in_reading_order(schema)]
    return "\n".join([_HEAD, *sections])


def _in_reading_order(schema: Mapping[str, Any]) -> list[str]:
    """Each mapping after the first that speaks of it."""
    found: list[str] = []
    waiting = [*_references(schema["properties"])]
    while waiting:
        name = waiting.pop(0)
        if name not in found:
            found.append(name)
            waiting = [*_references(schema["$defs"][name]), *waiting]
    return found


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        if "$ref" in part:
            yield part["$ref"].rpartition("/")[2]
        for inner in part.values():
            yield from _references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _references(inner)


def _section(title: str, schema: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    rows = [
        f"| `{key}` | {_values(value)} | {_default(key in required, value)} "
        f"| {' '.join(value.get('description', '').split())} |"
        for key, value in schema["properties"].items()
    ]
    lines = ["| key | value | default | |", "|---|---|---|---|", *rows]
    return "\n".join([f"## {title}", "", schema.get("description", ""), "", *lines, ""])


def _default(is_required: bool, schema: Mapping[str, Any]) -> str:
    if is_required:
        return "*required*"
    if "default" not in schema or schema["default"] in ([], {}, ""):
        return ""
    if schema.get("const", DEFAULT_TYPE) != DEFAULT_TYPE:
        return ""  # a type is not there by default but in its own table
    return f"`{_yaml(schema['default'])}`"


def _yaml(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case dict():
            return "{" + ", ".join(f"{key}: {_yaml(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_yaml, value)) + "]"
        case _:
            return str(value)


def _values(schema: Mapping[str, Any]) -> str:
    match schema:
        case {"$ref": target}:
            name = target.rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        case {"anyOf": options} | {"oneOf": options}:
            words = [_values(each) for each in options if not _is_list_of(each, options)]
            several = ["a list of these"] if len(words) < len(options) else []
            return " or ".join(dict.fromkeys(filter(None, words + several)))
        case {"type": "array", "items": items}:
            return f"list of {_values(items)}"
        case {"type": "object"}:
            return f"mapping to {_values(_item(schema))}"
        case _:
            return _single(schema)


def _is_list_of(schema: Mapping[str, Any], options: Sequence[Any]) -> bool:
    """Whether it is a list of what else may stand in its place."""
    kinds = schema.get("items", {}).get("anyOf", [])
    return bool(kinds) and all(kind in options for kind in kinds)


def _item(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    patterns: Mapping[str, Mapping[str, Any]] = schema.get("patternProperties", {})
    return next(iter(patterns.values()), None) or schema["additionalProperties"]


def _single(schema: Mapping[str, Any]) -> str:
    match schema:
        case {"enum": words}:
            return " ".join(f"`{word}`" for word in words)
        case {"const": word}:
            return f"`{word}`"
        case {"type": "integer", "minimum": low, "maximum": high}:
            return f"{low} to {high}"
        case {"type": "string"}:
            return _NAMED_PATTERNS.get(schema.get("pattern", ""), "text")
        case {"type": list(several)}:
            return " or ".join(several)
        case _:
            # a number stands only beside the duration it is another form of
            return "true or false" if schema["type"] == "boolean" else ""


if __name__ == "__main__":
    sys.stdout.write(reference())
