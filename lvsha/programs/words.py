"""What became of a program, in words for people."""

from __future__ import annotations

import signal

_LINE = 200
"""Characters of a program's output that are shown."""


def first_line(output: str) -> str:
    """The first line that says something, behind a colon; empty where none does."""
    lines = [line for line in output.splitlines() if line.strip()]
    return f": {_printable(lines[0])}" if lines else ""


def signal_name(number: int) -> str:
    """SIGKILL for 9, and "signal 64" for one without a name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _printable(line: str) -> str:
    text = "".join(char if char.isprintable() else " " for char in line.strip())
    return text if len(text) <= _LINE else f"{text[:_LINE]}…"
