"""A program in the lab: its words and its end come back, and it never outlives who asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lvsha.errors import HostError
from lvsha.lab import guest

pytestmark = pytest.mark.netns


@pytest.fixture(autouse=True)
def lab_is_possible() -> None:
    """A guest kernel, or one of our own: said when there is neither."""
    if not guest.host_has_ipvs() and not guest.GUEST_MODULES.is_dir():
        pytest.skip("neither ip_vs nor user-mode-linux here")


def run(*argv: str, timeout: float = 50, **environment: str) -> tuple[int, str, str]:
    out, err = bytearray(), bytearray()
    status = guest.run(
        argv, timeout=timeout, environment=environment, out=out.extend, err=err.extend
    )
    return status, out.decode(), err.decode()


def test_words_and_exit_status_come_back() -> None:
    """Both streams, unmixed, nothing of the kernel's in them; with IPVS there."""
    script = 'cat /proc/net/ip_vs; echo "$COLOUR" >&2; exit 7'
    status, out, err = run("sh", "-c", script, COLOUR="two words")
    assert status == 7
    assert out.startswith("IP Virtual Server version")
    assert err == "two words\n"


def test_on_a_kernel_with_ipvs_the_program_has_a_network_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And its own /run and processes: what it leaves is gone with it, namespaces included."""
    monkeypatch.setattr(guest, "host_has_ipvs", lambda: True)
    script = "ip netns add left; ls /sys/class/net /run; sleep 100 & echo $$ >&2; exit 3"
    status, out, err = run("sh", "-c", script)
    assert status == 3
    assert out.split() == ["/run:", "netns", "tmp", "/sys/class/net:", "lo"]
    assert int(err) < 20
    assert not Path("/run/netns/left").exists()


def test_the_interpreter_is_ours() -> None:
    """And the folder it works in."""
    script = "import lvsha, os, sys; print(sys.prefix, os.getcwd())"
    assert run("python", "-c", script)[1].split() == [sys.prefix, os.getcwd()]


def test_a_program_that_takes_too_long_is_ended() -> None:
    with pytest.raises(HostError, match="still running after 4 s, ended"):
        run("sleep", "100", timeout=4)


@pytest.mark.skipif(guest.host_has_ipvs(), reason="this kernel has IPVS: no guest to die")
def test_a_kernel_that_dies_first_is_reported() -> None:
    with pytest.raises(HostError, match="the kernel ended before the program"):
        run("sh", "-c", "echo o >/proc/sysrq-trigger; sleep 60")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_program_ends_with_who_asked(number: signal.Signals, tmp_path: Path) -> None:
    """However that dies."""
    beat = tmp_path / "beat"
    script = f"while sleep 0.1; do date +%N >{beat}; done"
    asked = [sys.executable, "-m", "lvsha.lab.guest", "sh", "-c", script]
    process = subprocess.Popen(asked, env={**os.environ, "TMPDIR": str(tmp_path)})
    while not beat.exists():
        time.sleep(0.05)
    process.send_signal(number)
    process.wait(10)
    while _is_written(beat):
        time.sleep(0.05)
    assert number is signal.SIGKILL or not list(tmp_path.glob("lvsha-lab-*"))


def _is_written(path: Path) -> bool:
    before = path.stat().st_mtime_ns
    time.sleep(0.5)
    return path.stat().st_mtime_ns != before
