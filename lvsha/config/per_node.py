"""Values that may differ between the nodes: one for all of them, or a mapping by node name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import BeforeValidator

from lvsha.config.document import KeyPath, Report
from lvsha.config.scalars import InterfaceName, IpAddress
from lvsha.config.wording import WrongValueError

T = TypeVar("T")

EVERY_NODE = "*"
"""Key under which a single value for all nodes is kept."""


def _per_node(value: object) -> object:
    if not isinstance(value, dict):
        return {EVERY_NODE: value}
    if EVERY_NODE in value:
        raise WrongValueError(f"{EVERY_NODE!r} is not a node", "one value needs no mapping")
    return value


InterfacePerNode: TypeAlias = Annotated[
    dict[str, InterfaceName],
    BeforeValidator(_per_node, json_schema_input_type=InterfaceName | dict[str, InterfaceName]),
]
AddressPerNode: TypeAlias = Annotated[
    dict[str, IpAddress],
    BeforeValidator(_per_node, json_schema_input_type=IpAddress | dict[str, IpAddress]),
]


def of_node(values: Mapping[str, T], node: str) -> T | None:
    """A node's own value, or the one for all; None: there is neither."""
    return values.get(node, values.get(EVERY_NODE))


def is_per_node(data: Any, keys: Collection[str]) -> bool:
    """Whether somewhere in a file's plain data one of these keys has a mapping."""
    if isinstance(data, list):
        return any(is_per_node(item, keys) for item in data)
    if not isinstance(data, dict):
        return False
    return any(
        isinstance(value, dict) if key in keys else is_per_node(value, keys)
        for key, value in data.items()
    )


def judge_names(
    at: KeyPath, values: Mapping[str, object], nodes: Collection[str], report: Report
) -> None:
    """Note whatever is no node's."""
    for name in values:
        if name not in nodes and name != EVERY_NODE:
            report.wrong((*at, name), f"{name!r} is not a node; those are {', '.join(nodes)}")
