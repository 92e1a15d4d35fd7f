"""`lvsha drain`, `enable`, `disable`, `weight`: what the operator wants of a server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from lvsha.errors import UsageError
from lvsha.runtime import control

WANTED = {
    "drain": ("SERVICE", "SERVER"),
    "enable": ("SERVICE", "SERVER"),
    "disable": ("SERVICE", "SERVER"),
    "weight": ("SERVICE", "SERVER", "N"),
    "failover": ("ROUTER",),
}


def split(verb: str, words: Sequence[str]) -> tuple[list[str], Path | None]:
    """The verb's own words, and FILE, which may stand before or behind them.

    UsageError for too few or too many.
    """
    wanted = WANTED[verb]
    own, file = list(words), None
    if len(own) == len(wanted) + 1:
        file = Path(own.pop(0 if _is_file(own[0]) else -1))
    if len(own) != len(wanted):
        raise UsageError(f"{verb} takes {' '.join(wanted)} [FILE], not {len(words)} words")
    return own, file


def _is_file(word: str) -> bool:
    return "/" in word or word.endswith((".yaml", ".yml"))


def give(verb: str, words: Sequence[str], runtime_dir: Path) -> dict[str, Any]:
    """Tell the daemon; its answer. HostError when none answers."""
    query = dict(zip(("service", "server", "weight"), words, strict=False))
    _, answer = control.post(runtime_dir, f"/{verb}?{urlencode(query)}")
    found: dict[str, Any] = answer
    return found


def describe(words: Sequence[str], answer: dict[str, Any]) -> str:
    """What is in force now, in a line."""
    weight = "" if answer["weight"] is None else f", weight {answer['weight']}"
    return f"{words[0]} {words[1]}: {answer['admin']}{weight}"
