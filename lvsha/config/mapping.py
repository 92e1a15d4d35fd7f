"""What every mapping of the file has in common, and what stands in for a broken part of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidatorFunctionWrapHandler

T = TypeVar("T")


class Strict(BaseModel):
    """A mapping: no key is unknown, no value is converted."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )


class Cut(Enum):
    """Stands where a part with a reported mistake stood, so that the rest can be judged.

    No YAML can say it; whoever walks a list of the schema skips it.
    """

    CUT = "cut"


CUT: Final = Cut.CUT


def keep_cut(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
    """Let `CUT` pass where a list's item is validated."""
    return value if value is CUT else validate(value)


def sound(items: Iterable[T]) -> Iterator[tuple[int, T]]:
    """The items of a list that were not cut, with their index in the file."""
    return ((i, item) for i, item in enumerate(items) if not isinstance(item, Cut))
