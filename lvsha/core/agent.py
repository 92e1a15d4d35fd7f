"""HAProxy's words of an agent: how a server is and what it wants, in one line.

Laws of this file: text in, value out; a line is understood whole or not at all; what a line does
not speak of stays as it is. Source: HAProxy's configuration manual, `agent-check`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lvsha.core.health import Admin, Advice

_PERCENT = re.compile(r"([0-9]{1,5})%")
_CONNECTIONS = re.compile(r"maxconn:[0-9]+")
_ADMIN = {"ready": Admin.ENABLED, "drain": Admin.DRAIN, "maint": Admin.DISABLED}
_UP = {"up": True, "down": False, "failed": False, "fail": False, "stopped": False}


@dataclass(frozen=True, slots=True)
class Said:
    """What a line says. `up` None: nothing of that; `reason` stood behind a sharp."""

    up: bool | None = None
    advice: Advice | None = None
    reason: str = ""


def understand(line: str) -> Said:
    """The meaning of an agent's line. ValueError names the word that is none."""
    words, _, reason = line.partition("#")
    up, percent, admin = None, None, None
    for word in re.split(r"[ \t,]+", words.strip(" \t,").lower()):
        if match := _PERCENT.fullmatch(word):
            percent = int(match[1])
        elif word in _ADMIN:
            admin = _ADMIN[word]
        elif word in _UP:
            up = _UP[word]
        elif not _CONNECTIONS.fullmatch(word):
            text = ascii(word)
            shown = text if len(text) <= 42 else f"{text[:40]}…'"
            raise ValueError(f"{shown} is not an agent's word")
    advises = percent is not None or admin is not None
    return Said(up, Advice(percent, None, admin) if advises else None, reason.strip())
