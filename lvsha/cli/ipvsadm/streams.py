"""A command's three streams as bytes: arguments and names may be no text in any encoding.

A stream that is closed is as good as one nobody reads or writes at the other end.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import BinaryIO

from lvsha.cli.ipvsadm.ending import EndError

OUTPUT_FAILED = 1
_CHUNK = 1 << 20


class Streams:
    """Where a session writes, and reads the lines of a restore."""

    def __init__(self, read: Callable[[int], bytes], out: BinaryIO, err: BinaryIO) -> None:
        self._read = read
        self._out = out
        self._err = err

    @classmethod
    def of_process(cls, read: Callable[[int], bytes] | None = None) -> Streams:
        """This process's own; `read` stands in for its standard input."""
        out = io.BytesIO() if sys.stdout is None else sys.stdout.buffer
        err = io.BytesIO() if sys.stderr is None else sys.stderr.buffer
        own = _nothing if sys.stdin is None else _standard_input
        return cls(read or own, out, err)

    def write(self, lines: Iterable[str]) -> None:
        """Lines to standard output. Raises EndError where it takes no more."""
        try:
            self._out.writelines(_encoded(lines))
        except OSError as error:
            self._give_up(error)

    def flush(self) -> None:
        """Raises EndError where the output did not get out."""
        try:
            self._out.flush()
        except OSError as error:
            self._give_up(error)

    def complain(self, text: str) -> None:
        """One line to standard error, at once."""
        with suppress(OSError):
            self._err.write(os.fsencode(text + "\n"))
            self._err.flush()

    def pieces(self) -> Iterator[str]:
        """Standard input in pieces of whole lines, each as soon as it is there."""
        rest = b""
        while chunk := self._chunk():
            whole, newline, rest = (rest + chunk).rpartition(b"\n")
            if newline:
                yield os.fsdecode(whole + newline)
        if rest:
            yield os.fsdecode(rest)

    def _chunk(self) -> bytes:
        try:
            return self._read(_CHUNK)
        except OSError:
            return b""

    def _give_up(self, error: OSError) -> None:
        self.complain(f"standard output: {error.strerror}")
        if sys.stdout is not None and self._out is sys.stdout.buffer:
            # The interpreter writes what is left once more at its end, and would complain, too.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise EndError(OUTPUT_FAILED)


def _standard_input(size: int) -> bytes:
    return os.read(0, size)


def _nothing(_size: int) -> bytes:
    """Of a closed standard input: its number may be another file's by now."""
    return b""


def _encoded(lines: Iterable[str]) -> Iterator[bytes]:
    for line in lines:
        yield os.fsencode(line) + b"\n"
