"""A command's three streams as bytes: arguments and names may be no text in any encoding."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

_CHUNK = 1 << 20


class Streams:
    """Where a session writes, and reads the lines of a restore."""

    def __init__(self, read: Callable[[int], bytes], out: BinaryIO, err: BinaryIO) -> None:
        self._read = read
        self._out = out
        self._err = err

    @classmethod
    def of_process(cls) -> Streams:
        return cls(lambda size: os.read(0, size), sys.stdout.buffer, sys.stderr.buffer)

    def write(self, lines: Iterable[str]) -> None:
        """Lines to standard output."""
        self._out.writelines(_encoded(lines))

    def complain(self, text: str) -> None:
        """One line to standard error, at once."""
        self._err.write(os.fsencode(text + "\n"))
        self._err.flush()

    def flush(self) -> None:
        self._out.flush()

    def pieces(self) -> Iterator[str]:
        """Standard input in pieces of whole lines, each as soon as it is there."""
        rest = b""
        while chunk := self._read(_CHUNK):
            whole, newline, rest = (rest + chunk).rpartition(b"\n")
            if newline:
                yield os.fsdecode(whole + newline)
        if rest:
            yield os.fsdecode(rest)


def _encoded(lines: Iterable[str]) -> Iterator[bytes]:
    for line in lines:
        yield os.fsencode(line) + b"\n"
