"""What every mapping of the file has in common, and what becomes of a broken part of it.

A broken item of a list is `CUT`; of a broken key a mapping knows nothing any more: a `rule` that
asks for it raises `Unsound` and concludes nothing. So the rest can be judged, and all mistakes
of a file come at once, without any that only follow from another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from pydantic import BaseModel, ConfigDict, ValidatorFunctionWrapHandler

P = ParamSpec("P")
T = TypeVar("T")


class Unsound(Exception):
    """Somebody asked for a value with a reported mistake."""


class Strict(BaseModel):
    """A mapping: no key is unknown, no value is converted."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )

    def forget(self, key: str) -> None:
        """Know nothing of `key` from now on but that the file has it."""
        self.__dict__.pop(key, None)
        self.model_fields_set.add(key)

    if not TYPE_CHECKING:  # it would hide wrong names from the type checker

        def __getattr__(self, name: str) -> Any:
            if name in type(self).model_fields:
                raise Unsound
            return super().__getattr__(name)


def rule(judge: Callable[P, T]) -> Callable[P, T | None]:
    """Make a function that gives up, with None, where it asks for what is not sound."""

    @wraps(judge)
    def judge_if_sound(*args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return judge(*args, **kwargs)
        except Unsound:
            return None

    return judge_if_sound


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
