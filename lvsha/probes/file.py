"""The `file` check: what stands in a file of this machine.

A number as keepalived's FILE_CHECK reads it with weight 0: no file, an empty one and 0 are good,
anything else is not. Or the words of an agent (`core.agent`).
"""

from __future__ import annotations

import os
import re
import stat

from lvsha.core.agent import understand
from lvsha.core.health import Outcome
from lvsha.core.plan import Check
from lvsha.core.probes import FileProbe
from lvsha.errors import InconclusiveError
from lvsha.probes.engine import Attempt, Finding
from lvsha.probes.faults import excerpt

_LONGEST = 1024
_NUMBER = re.compile(r"[+-]?[0-9]{1,20}")


def file(check: Check) -> Attempt:
    """An attempt reads the file's first line."""
    spec = check.probe
    assert isinstance(spec, FileProbe)
    path = spec.path

    async def attempt() -> Finding:
        try:
            line = _first_line(path)
        except FileNotFoundError:
            return Finding(f"{path} is not there")
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            raise InconclusiveError(f"this machine: {path}: {reason}") from None
        return _judged(path, line)

    return attempt


def _first_line(path: str) -> bytes:
    """Without waiting, whatever kind of file it is."""
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise InconclusiveError(f"this machine: {path} is not a regular file")
        return os.read(fd, _LONGEST).split(b"\n", 1)[0].strip()
    finally:
        os.close(fd)


def _judged(path: str, line: bytes) -> Finding:
    text = line.decode("utf-8", "replace")
    message = f'{path} says "{excerpt(line)}"' if text else f"{path} is empty"
    if not text or _NUMBER.fullmatch(text):
        passes = int(text or "0") == 0
        return Finding(message, Outcome.PASS if passes else Outcome.FAIL)
    try:
        said = understand(text)
    except ValueError as error:
        raise InconclusiveError(f"{path} is not understood: {error}") from None
    return Finding(message, Outcome.FAIL if said.up is False else Outcome.PASS, said.advice)
