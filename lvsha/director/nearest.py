"""What to say of a name nobody has."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

SHOWN = 10
"""Names that are listed where none is near."""


def nearest(word: str, known: Sequence[str]) -> str:
    """A hint: the known name most like it, or which names there are."""
    close = get_close_matches(word, known, n=1, cutoff=0.5)
    if close:
        return f"did you mean {close[0]!r}?"
    shown = ", ".join(known[:SHOWN]) + (", …" if len(known) > SHOWN else "")
    return f"there are {shown}" if known else "there are none"
