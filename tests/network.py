"""A network namespace of the test's own, entered by the thread that runs the test."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def run(command: str, stdin: str = "") -> str:
    """A shell command's output; the test fails where the command does."""
    done = subprocess.run(
        command, shell=True, capture_output=True, input=stdin, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


@contextmanager
def own_network() -> Iterator[None]:
    """Everything inside sees fresh, empty links, addresses and settings; gone afterwards."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if _libc.unshare(CLONE_NEWNET) != 0:
            pytest.skip(f"no network namespace: {os.strerror(ctypes.get_errno())}")
        yield
    finally:
        _libc.setns(before, CLONE_NEWNET)
        os.close(before)
