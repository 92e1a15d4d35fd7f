"""What is written from the schema is current, and agrees with the reader about the examples."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lvsha.config.reader import read
from lvsha.config.reference import reference
from lvsha.config.resolve import load
from lvsha.config.schema import json_schema

ROOT = Path(__file__).parents[2]
BAD = Path(__file__).parent / "bad"
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
}
SEEN_BY_THE_SCHEMA = [
    "missing_address",
    "missing_cluster",
    "bad_scheduler",
    "bad_status_range",
    "bad_tunnel_checksum",
    "unknown_key_node",
    "unknown_key_tcp_check",
    "weight_70000",
    "wrong_type_boolean",
    "wrong_type_port",
    "wrong_type_services",
]


def test_the_json_schema_file_is_current() -> None:
    """Otherwise: lvsha schema > conf/lvsha.schema.json."""
    text = (ROOT / "conf" / "lvsha.schema.json").read_text()
    assert text == json.dumps(json_schema(), indent=2) + "\n"


def test_the_reference_is_current() -> None:
    """Otherwise: python -m lvsha.config.reference > docs/reference.md."""
    assert (ROOT / "docs" / "reference.md").read_text() == reference()


@pytest.mark.parametrize("file", sorted((ROOT / "conf").rglob("*.yaml")), ids=lambda f: f.name)
def test_examples_are_valid_to_the_reader_and_to_the_json_schema(file: Path) -> None:
    load(file)
    assert _agrees(read(file).data, json_schema(), json_schema())


@pytest.mark.parametrize("name", SEEN_BY_THE_SCHEMA)
def test_the_json_schema_sees_what_one_value_can_show(name: str) -> None:
    assert not _agrees(read(BAD / f"{name}.yaml").data, json_schema(), json_schema())


def test_every_key_of_the_schema_is_described() -> None:
    for name, part in json_schema()["$defs"].items():
        assert part["description"], name
        for key, value in part["properties"].items():
            assert key == "type" or value.get("description"), f"{name}.{key}"


def test_nothing_of_the_schema_is_null() -> None:
    assert "null" not in json.dumps(json_schema())


def _agrees(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Whether a value is valid: the part of JSON Schema that ours uses."""
    if "$ref" in schema:
        return _agrees(value, root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    choices = [_agrees(value, each, root) for each in schema.get("anyOf", ())]
    exactly = [_agrees(value, each, root) for each in schema.get("oneOf", ())]
    return (
        (not choices or any(choices))
        and (not exactly or sum(exactly) == 1)
        and _is_type(value, schema.get("type"))
        and value in schema.get("enum", [value])
        and value == schema.get("const", value)
        and _within(value, schema)
        and _inside(value, schema, root)
    )


def _is_type(value: Any, wanted: str | list[str] | None) -> bool:
    if wanted is None:
        return True
    names = [wanted] if isinstance(wanted, str) else wanted
    return any(
        isinstance(value, TYPES[name]) and isinstance(value, bool) <= (name == "boolean")  # type: ignore[arg-type]
        for name in names
    )


def _within(value: Any, schema: dict[str, Any]) -> bool:
    if isinstance(value, str):
        return re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, int | float):
        return bool(schema.get("minimum", value) <= value <= schema.get("maximum", value))
    return True


def _inside(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    if isinstance(value, list):
        return all(_agrees(item, schema.get("items", {}), root) for item in value)
    if not isinstance(value, dict):
        return True
    known = schema.get("properties", {})
    patterns = schema.get("patternProperties", {})
    for key, item in value.items():
        fitting = [known[key]] if key in known else []
        fitting += [part for pattern, part in patterns.items() if re.search(pattern, key)]
        rest = schema.get("additionalProperties", {})
        fitting = fitting or [rest]
        if any(part is False or not _agrees(item, part, root) for part in fitting):
            return False
    return all(key in value for key in schema.get("required", ()))
