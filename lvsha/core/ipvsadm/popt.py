"""Words into options the way popt splits them: bundled letters, `-p300`, `-p=300`, `--name=value`.

What popt does not do: abbreviate long options, or take a letter's value after a blank when the
value is optional and begins with a dash.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lvsha.core.ipvsadm.options import BY_LETTER, BY_NAME, Option, Takes


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
        self._only_words = False
        self.left: list[str] = []

    def __iter__(self) -> Iterator[Given | Unreadable]:
        while self._next < len(self._words):
            word = self._take()
            if self._only_words or word[:1] != "-" or word == "-":
                self.left.append(word)
            elif word == "--":
                self._only_words = True
            elif word.startswith("--"):
                yield self._long(word)
            else:
                yield from self._bundle(word)

    def _take(self) -> str:
        self._next += 1
        return self._words[self._next - 1]

    def _long(self, word: str) -> Given | Unreadable:
        name, equals, value = word[2:].partition("=")
        option = BY_NAME.get(name)
        if option is None:
            return Unreadable(word, "unknown option")
        return self._valued(option, value if equals else None, word)

    def _bundle(self, word: str) -> Iterator[Given | Unreadable]:
        rest = word[1:]
        while rest:
            option = BY_LETTER.get(rest[0])
            if option is None:
                yield Unreadable(word, "unknown option")
                return
            rest = rest[1:]
            if rest.startswith("=") or (rest and option.takes is not Takes.NOTHING):
                yield self._valued(option, rest.removeprefix("="), word)
                return
            yield self._valued(option, None, word)

    def _valued(self, option: Option, value: str | None, word: str) -> Given | Unreadable:
        if option.takes is Takes.NOTHING:
            if value is not None:
                return Unreadable(word, "option does not take an argument")
            return Given(option, None, word)
        if value is None:
            value = self._following(option)
            if value is None and option.takes is Takes.A_WORD:
                return Unreadable(word, "missing argument")
        return Given(option, value, self._words[self._next - 1])

    def _following(self, option: Option) -> str | None:
        if self._next == len(self._words):
            return None
        if option.takes is Takes.MAYBE and self._words[self._next].startswith("-"):
            return None
        return self._take()
