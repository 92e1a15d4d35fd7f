"""Tracked scripts, files and processes, and hooks: real programs, real files."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from lvsha.core.mastership import State
from lvsha.core.moving import Hook
from lvsha.core.plan import VrrpPlan
from lvsha.core.tracking import (
    Effect,
    Track,
    TrackedFile,
    TrackedProcess,
    TrackedScript,
)
from lvsha.kernel.memory_host import MemoryAddresses
from lvsha.kernel.memory_routing import MemoryRouting
from lvsha.vrrp.hooks import HookQueue
from lvsha.vrrp.running import run
from lvsha.vrrp.tracking import Tracking
from tests.shell.vrrp_lan import router
from tests.shell.waiting import until

ME = "root"


def shell(text: str) -> tuple[str, ...]:
    return ("/bin/sh", "-c", text)


@asynccontextmanager
async def tracking(*tracks: Track) -> AsyncIterator[Callable[[], Effect]]:
    """What comes of these tracks for a router of priority 100."""
    vr = router(tracks=tracks)
    made = Tracking(MemoryAddresses("eth0"), MemoryRouting(), lambda: None)
    await made.configure(VrrpPlan("test", "lb1", (vr,)))
    yield lambda: made.effect(vr)
    made.close()
    await asyncio.sleep(0.01)


def script(text: str, **changes: object) -> TrackedScript:
    plain = TrackedScript(shell(text), interval=0.05, timeout=5.0, rise=2, fall=2, user=ME)
    return replace(plain, **changes)


async def test_a_script_that_fails_is_a_fault_with_its_own_words(tmp_path):
    flag = tmp_path / "flag"
    async with tracking(Track(script(f"test -e {flag} || {{ echo no flag; exit 3; }}"))) as now:
        await until(lambda: bool(now().faults))
        assert now().faults == {"script /bin/sh exited with 3: no flag"}
        flag.touch()
        await until(lambda: not now().faults)


async def test_a_script_that_a_signal_ends_fails_with_the_signals_name(tmp_path):
    async with tracking(Track(script("kill -KILL $$"))) as now:
        await until(lambda: bool(now().faults))
        assert now().faults == {"script /bin/sh was killed by SIGKILL"}


async def test_a_script_killed_at_its_deadline_says_nothing_and_takes_its_group_along(tmp_path):
    pids = tmp_path / "pids"
    text = f"echo $$ >>{pids}; sleep 60 & echo $! >>{pids}; wait"
    slow = script(text, timeout=0.3)
    async with tracking(Track(slow), Track(slow, -50)) as now:
        await until(lambda: pids.exists() and len(pids.read_text().split()) >= 4)
        first, child, *_ = map(int, pids.read_text().split())
        await until(lambda: not _runs(first) and not _runs(child))
        assert now() == Effect(100)


async def test_a_script_that_can_not_be_run_says_nothing():
    missing = script("", exec=("/nonexistent/check",))
    async with tracking(Track(missing)) as now:
        await asyncio.sleep(0.5)
        assert now() == Effect(100)


async def test_scripts_run_as_nobody_unless_said_otherwise(tmp_path):
    ended = await run(shell("id -un; exit 1"), TrackedScript(("x",)).user, 5.0, {})
    assert ended.words == "exited with 1: nobody"


async def test_a_file_counts_as_soon_as_it_is_written_and_no_more_when_it_is_gone(tmp_path):
    hold = tmp_path / "hold"
    async with tracking(Track(TrackedFile(str(hold)), -50)) as now:
        await asyncio.sleep(0.3)
        assert now() == Effect(100)
        hold.write_text("1\n")
        await until(lambda: now().priority == 50)
        draft = tmp_path / "draft"
        draft.write_text("-1")
        draft.rename(hold)
        await until(lambda: now().priority == 150)
        hold.unlink()
        await until(lambda: now().priority == 100)


async def test_a_file_that_is_no_number_leaves_things_as_they_were(tmp_path):
    hold = tmp_path / "hold"
    hold.write_text("1")
    async with tracking(Track(TrackedFile(str(hold)), -50)) as now:
        await until(lambda: now().priority == 50)
        hold.write_text("yes")
        await asyncio.sleep(0.3)
        assert now().priority == 50


async def test_a_directory_that_comes_later_is_found(tmp_path):
    hold = tmp_path / "later" / "hold"
    async with tracking(Track(TrackedFile(str(hold)), -50)) as now:
        await asyncio.sleep(0.2)
        hold.parent.mkdir()
        hold.write_text("1")
        await until(lambda: now().priority == 50)


async def test_a_process_counts_by_its_name_and_a_zombie_does_not(tmp_path):
    program = tmp_path / "lvshatracked"
    program.symlink_to(Path("/bin/sleep").resolve())
    async with tracking(Track(TrackedProcess("lvshatracked"))) as now:
        await until(lambda: bool(now().faults))
        assert now().faults == {"process lvshatracked is not running"}
        process = await asyncio.create_subprocess_exec(str(program), "60")
        await until(lambda: not now().faults)
        process.kill()
        await until(lambda: bool(now().faults))
        await process.wait()


async def test_a_long_name_is_compared_whole(tmp_path):
    program = tmp_path / "lvsha-tracked-process"
    program.symlink_to(Path("/bin/sleep").resolve())
    other = Track(TrackedProcess("lvsha-tracked-prince"), -10)
    async with tracking(Track(TrackedProcess("lvsha-tracked-process"), -20), other) as now:
        await until(lambda: now().priority == 70)
        process = await asyncio.create_subprocess_exec(str(program), "60")
        await until(lambda: now().priority == 90)
        process.kill()
        await process.wait()


async def test_a_watcher_that_dies_is_followed_by_another(tmp_path):
    hold = tmp_path / "hold"
    async with tracking(Track(TrackedFile(str(hold)), -50)) as now:
        await asyncio.sleep(0.3)
        os.kill(_watcher(), 9)
        hold.write_text("1")
        await until(lambda: now().priority == 50)


def told(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


async def test_a_hook_is_told_router_old_and_new_in_its_environment(tmp_path):
    said = tmp_path / "said"
    queue = HookQueue("web", lambda: None)
    text = f'echo "$LVSHA_ROUTER $LVSHA_OLD $LVSHA_NEW" >>{said}'
    queue.tell(Hook(shell(text), 5.0, ME), State.BACKUP, State.MASTER)
    await queue.idle()
    assert told(said) == ["web BACKUP MASTER"]
    assert (queue.status.told, queue.status.exit_code) == ("MASTER", 0)


async def test_while_a_hook_runs_changes_wait_and_only_the_last_is_told(tmp_path):
    said = tmp_path / "said"
    queue = HookQueue("web", lambda: None)
    hook = Hook(shell(f'sleep 0.3; echo "$LVSHA_OLD $LVSHA_NEW" >>{said}'), 5.0, ME)
    queue.tell(hook, State.INIT, State.BACKUP)
    await asyncio.sleep(0.05)
    queue.tell(hook, State.BACKUP, State.MASTER)
    queue.tell(hook, State.MASTER, State.BACKUP)
    queue.tell(hook, State.BACKUP, State.FAULT)
    await queue.idle()
    assert told(said) == ["INIT BACKUP", "BACKUP FAULT"]


async def test_a_hook_is_not_told_again_what_it_knows(tmp_path):
    said = tmp_path / "said"
    queue = HookQueue("web", lambda: None)
    hook = Hook(shell(f"sleep 0.3; echo $LVSHA_NEW >>{said}"), 5.0, ME)
    queue.tell(hook, State.INIT, State.BACKUP)
    await asyncio.sleep(0.05)
    queue.tell(hook, State.BACKUP, State.MASTER)
    queue.tell(hook, State.MASTER, State.BACKUP)
    await queue.idle()
    assert told(said) == ["BACKUP"]


async def test_a_hook_that_hangs_is_killed_and_the_next_change_is_told(tmp_path):
    said = tmp_path / "said"
    seen = []
    queue = HookQueue("web", lambda: seen.append(queue.status))
    queue.tell(Hook(shell("sleep 60"), 0.2, ME), State.INIT, State.BACKUP)
    await asyncio.sleep(0.05)
    queue.tell(Hook(shell(f"echo $LVSHA_NEW >>{said}"), 5.0, ME), State.BACKUP, State.MASTER)
    await queue.idle()
    assert (seen[0].exit_code, seen[0].message) == (None, "took longer than 0.2 s")
    assert told(said) == ["MASTER"]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _watcher() -> int:
    """The watcher that this process has started."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if parent == os.getpid() and words[-2:-1] and words[-2].endswith(b"watcher"):
            return int(entry.name)
    raise AssertionError(sys.argv)


pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="changes users")
