"""The real ipvsadm and ours side by side, each in a namespace of its own."""

from __future__ import annotations

import difflib
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lvsha.cli.ipvsadm.names import SystemNames
from lvsha.cli.ipvsadm.ownership import Ownership
from lvsha.cli.ipvsadm.program import open_ipvs
from lvsha.cli.ipvsadm.session import Session
from lvsha.cli.ipvsadm.streams import Streams
from lvsha.kernel.ipvs import KernelIpvs
from lvsha.lab.topology import Lab, Namespace

PROGRAMS = Path(sys.executable).parent

LATER_WORDS = {b"-6 must follow -f": b"-6 used before -f"}
"""What Debian 13's ipvsadm says, and what Debian 12's and ours say instead."""


@dataclass(frozen=True)
class Said:
    """What a program left behind."""

    code: int
    out: bytes
    err: bytes


@dataclass
class Pair:
    """`kernel` is the table of `ours`, kept open: in-process runs need no process."""

    real: Namespace
    ours: Namespace
    kernel: KernelIpvs

    def of_real(self, words: Sequence[str], stdin: bytes = b"") -> Said:
        with self.real.entered():
            return run(["ipvsadm", *words], stdin)

    def of_ours(self, words: Sequence[str], stdin: bytes = b"") -> Said:
        """Ours in this process, but for the interpreter's start the whole program."""
        with self.ours.entered():
            return run_in_process(self.kernel, words, stdin)

    def check(self, words: Sequence[str], stdin: bytes = b"") -> None:
        """Both say the same, byte for byte, and end with the same code."""
        real, ours = self.of_real(words, stdin), self.of_ours(words, stdin)
        assert real == ours, difference(words, stdin, real, ours)

    def clear(self) -> None:
        """Empty tables, default timeouts, no synchronisation daemons."""
        text = b"-C\n--set 900 120 300\n--stop-daemon master\n--stop-daemon backup\n"
        self.of_real(["-R"], text)
        self.of_ours(["-R"], text)


@contextmanager
def pair() -> Iterator[Pair]:
    with Lab() as lab:
        real, ours = lab.add("real", "ours")
        with ours.entered():
            kernel = open_ipvs()
        yield Pair(real, ours, kernel)
        kernel.close()


def run(argv: Sequence[str], stdin: bytes = b"") -> Said:
    words = [os.fsencode(word) for word in argv]
    done = subprocess.run(words, input=stdin, capture_output=True, check=False, timeout=60)
    err = done.stderr
    for later, word in LATER_WORDS.items():
        err = err.replace(later, word)
    return Said(done.returncode, done.stdout, err)


def run_in_process(kernel: KernelIpvs, words: Sequence[str], stdin: bytes = b"") -> Said:
    out, err = io.BytesIO(), io.BytesIO()
    streams = Streams(io.BytesIO(stdin).read, out, err)
    session = Session(lambda: kernel, SystemNames(), streams, Ownership("/run/nowhere"))
    code = session.run(words)
    return Said(code, out.getvalue(), err.getvalue())


def masked(said: Said, *, rates: bool) -> Said:
    """Without what time changes between two runs: the expire countdown, and rates if asked."""
    out = re.sub(rb"(?m)^(TCP|UDP)( +)\d\d:\d\d", rb"\1\2mm:ss", said.out)
    if rates:
        out = re.sub(rb"(?m)(:\d+ +)[ \d]+$", rb"\1", out)
    return Said(said.code, out, said.err)


def difference(words: Sequence[str], stdin: bytes, real: Said, ours: Said) -> str:
    """Only the lines that differ: a table has hundreds."""
    found = [f"{list(words)!r}: exit code {real.code} of the real one, {ours.code} of ours"]
    for name in ("out", "err"):
        one, other = getattr(real, name), getattr(ours, name)
        lines = difflib.unified_diff(
            one.decode(errors="replace").splitlines(),
            other.decode(errors="replace").splitlines(),
            f"real {name}",
            f"our {name}",
            lineterm="",
            n=0,
        )
        found += list(lines)[:20]
    if stdin:
        found.append(f"standard input: {stdin!r}")
    return "\n".join(found)
