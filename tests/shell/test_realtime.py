"""What the VRRP process asks of the kernel, in processes of their own: it can't be taken back."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys

import pytest

from lvsha.runtime import realtime
from tests.shell.console import NOBODY

ASK = """
import json, os, re, resource, subprocess, threading
from lvsha.runtime.realtime import be_steady

def size(name):
    return int(re.search(rf"{name}:\\s+(\\d+) kB", open("/proc/self/status").read())[1])

before = size("VmRSS")
lacking = be_steady()
grown = size("VmRSS") - before
block = bytearray(64 << 20)
thread = threading.Thread(target=int)
thread.start()
thread.join()
child = subprocess.run(["grep", "VmLck", "/proc/self/status"], capture_output=True, text=True)
print(json.dumps({
    "lacking": lacking, "locked": size("VmLck"), "size": size("VmSize"), "grown": grown,
    "limit": resource.getrlimit(resource.RLIMIT_MEMLOCK)[0], "policy": os.sched_getscheduler(0),
    "child": child.stdout.split()[1],
}))
"""


def asked(limit: int | None = None, *, as_nobody: bool = False) -> dict:
    before = ["prlimit", f"--memlock={limit}"] if limit is not None else []
    before += NOBODY if as_nobody else ()
    done = subprocess.run(
        [*before, sys.executable, "-c", ASK],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    return json.loads(done.stdout)


def may_lock() -> bool:
    with open("/proc/self/status") as status:
        (line,) = (line for line in status if line.startswith("CapEff"))
    return bool(int(line.split()[1], 16) >> 14 & 1)  # CAP_IPC_LOCK


needs_capability = pytest.mark.skipif(not may_lock(), reason="needs CAP_IPC_LOCK")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="changes users and limits")


@needs_capability
@pytest.mark.parametrize("limit", [None, 64 * 1024])
def test_whoever_may_has_all_its_memory_locked_whatever_the_limit(limit):
    found = asked(limit)
    assert "memory is not locked" not in found["lacking"]
    assert found["locked"] > 0.9 * found["size"]  # what the kernel maps for itself is not
    if limit is not None:
        assert found["limit"] == limit


@needs_capability
def test_locking_brings_no_page_that_nobody_has_touched():
    """A stack of 8 MB for each thread, and arenas of 64, would count else."""
    assert asked()["grown"] < 2048


@needs_capability
def test_what_it_starts_is_not_locked():
    assert asked()["child"] == "0"


@needs_root
def test_whoever_may_not_is_told_and_its_limit_is_as_before():
    found = asked(64 * 1024, as_nobody=True)
    assert "memory is not locked" in found["lacking"]
    assert (found["locked"], found["limit"]) == (0, 64 * 1024)


def test_under_a_limit_the_kernel_is_asked_with_nothing_left_of_it(monkeypatch):
    """A lock granted under a limit would make allocations beyond it fail later."""
    limits = [(1 << 30, 1 << 31)]
    left = []
    monkeypatch.setattr(realtime.resource, "getrlimit", lambda _: limits[-1])
    monkeypatch.setattr(realtime.resource, "setrlimit", lambda _, pair: limits.append(pair))
    monkeypatch.setattr(realtime, "_mlockall", lambda _: left.append(limits[-1]) or False)
    assert not realtime.stay_in_memory()
    assert left == [(0, 1 << 31)]
    assert limits[-1] == (1 << 30, 1 << 31)


@pytest.mark.skipif(
    os.geteuid() != 0 or resource.getrlimit(resource.RLIMIT_MEMLOCK)[1] != -1,
    reason="changes users, without a limit on locked memory",
)
def test_without_a_limit_nobody_needs_a_capability():
    """As the systemd unit has it."""
    found = asked(-1, as_nobody=True)
    assert "memory is not locked" not in found["lacking"]
    assert found["locked"] > 0.9 * found["size"]
