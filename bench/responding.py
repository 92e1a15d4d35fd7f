"""The server the checks go to, as a process of its own: for the web, or another program."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.clusters import FIRST_PORT


@contextmanager
def responder(
    count: int, inside: Sequence[str] = (), program: str = "responder.py"
) -> Iterator[None]:
    """On `count` loopback ports from FIRST_PORT on; `inside` is what starts programs elsewhere."""
    file = Path(__file__).with_name(program)
    command = [*inside, sys.executable, str(file), str(FIRST_PORT), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield
        finally:
            process.stdin.close()
