"""Lines of one shape are scanned and judged once: a restore has ten thousand lines of three.

A shape is a line's options in their places with every value blanked. Only plainly written lines
have one: each option a word of its own, each value the word behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from lvsha.core.ipvsadm.options import BY_WORD, Option, Takes

ROOM = 64
"""Shapes worth keeping; more of them are no restore but noise."""


class Shape(NamedTuple):
    """Options behind the command, each with the place of its value (None: it has none)."""

    command: str
    options: tuple[tuple[Option, int | None], ...]
    fixed: Callable[[Sequence[str]], Any]
    words: tuple[str, ...]


class Shapes:
    """What was learnt so far."""

    def __init__(self) -> None:
        self._known: dict[tuple[int | str, ...], Shape] = {}

    def of(self, words: Sequence[str]) -> Shape | None:
        """The shape of these words if it was learnt."""
        shape = self._known.get(_signature(words))
        # A value may begin with a dash, too: only the places tell it from an option.
        return shape if shape is not None and shape.fixed(words) == shape.words else None

    def learn(self, words: Sequence[str]) -> None:
        """Keep the shape of words that were found right."""
        if len(self._known) < ROOM and (shape := _shape(words)) is not None:
            self._known[_signature(words)] = shape


def _signature(words: Sequence[str]) -> tuple[int | str, ...]:
    return (len(words), *[word for word in words if word[:1] == "-"])


def _shape(words: Sequence[str]) -> Shape | None:
    options: list[tuple[Option, int | None]] = []
    places: list[int] = []
    place = 0
    while place < len(words):
        option = BY_WORD.get(words[place])
        if option is None or option.takes is Takes.MAYBE:
            return None
        places.append(place)
        valued = option.takes is Takes.A_WORD
        options.append((option, place + 1 if valued else None))
        place += 2 if valued else 1
    if len(places) < 2 or options[0][1] is not None:
        return None
    fixed = itemgetter(*places)
    return Shape(options[0][0].name, tuple(options[1:]), fixed, fixed(words))
