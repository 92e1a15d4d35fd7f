"""A password of a check, read from its file at every probe: it may change at any time."""

from __future__ import annotations

import os

from lvsha.errors import InconclusiveError


def password(path: str) -> bytes:
    """The file's first line. InconclusiveError when there is none to read."""
    try:
        with open(path, "rb") as file:
            line = file.readline(4096).rstrip(b"\r\n")
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise InconclusiveError(f"this machine: password file {path}: {reason}") from None
    if not line:
        raise InconclusiveError(f"this machine: password file {path}: the first line is empty")
    return line
