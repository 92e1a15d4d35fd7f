"""Words into options the way popt splits them: bundled letters, `-p300`, `-p=300`, `--name=value`.

What popt does not do: abbreviate long options, or take the next word for an optional value when
that word begins with a dash.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lvsha.core.ipvsadm.options import BY_LETTER, BY_NAME, BY_WORD, Option, Takes


class Given(NamedTuple):
    """An option as it was given. `word` is the last argument it took up, for messages."""

    option: Option
    value: str | None
    word: str


class Unreadable(NamedTuple):
    """Where the scan ended: nothing behind it was looked at."""

    word: str
    reason: str


class Scan:
    """Iterates over the options of `words`; afterwards `left` holds what was no option."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._next = 0
        self.left: list[str] = []

    def __iter__(self) -> Iterator[Given | Unreadable]:
        words, count = self._words, len(self._words)
        while self._next < count:
            word = words[self._next]
            self._next += 1
            if (option := BY_WORD.get(word)) is not None:
                yield self._given(option, word)
            elif word[:1] != "-" or word == "-":
                self.left.append(word)
            elif word == "--":
                self.left += words[self._next :]
                return
            elif word.startswith("--"):
                yield self._long(word)
            else:
                yield from self._bundle(word)

    def _long(self, word: str) -> Given | Unreadable:
        """A long option with its value behind `=`, for it is none of `BY_WORD`."""
        name, equals, value = word[2:].partition("=")
        option = BY_NAME.get(name)
        if option is None or not equals:
            return Unreadable(word, "unknown option")
        return _valued(option, value, word)

    def _bundle(self, word: str) -> Iterator[Given | Unreadable]:
        rest = word[1:]
        while rest:
            option = BY_LETTER.get(rest[0])
            if option is None:
                yield Unreadable(word, "unknown option")
                return
            rest = rest[1:]
            if rest.startswith("=") or (rest and option.takes is not Takes.NOTHING):
                yield _valued(option, rest.removeprefix("="), word)
                return
            yield self._given(option, word)

    def _given(self, option: Option, word: str) -> Given | Unreadable:
        """An option without a value of its own: it may take the next word."""
        if option.takes is Takes.NOTHING:
            return Given(option, None, word)
        if self._next == len(self._words):
            missing = option.takes is Takes.A_WORD
            return Unreadable(word, "missing argument") if missing else Given(option, None, word)
        value = self._words[self._next]
        if option.takes is Takes.MAYBE and value.startswith("-"):
            return Given(option, None, word)
        self._next += 1
        return Given(option, value, value)


def _valued(option: Option, value: str, word: str) -> Given | Unreadable:
    if option.takes is Takes.NOTHING:
        return Unreadable(word, "option does not take an argument")
    return Given(option, value, word)
