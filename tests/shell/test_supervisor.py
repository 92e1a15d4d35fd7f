"""supervisor: trivial children stand in for the real ones; what they do wrong is survived."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_interface
from pathlib import Path

import pytest

from lvsha.core.messages import Configured, Stop
from lvsha.core.plan import DirectorPlan, VirtualRouter, VrrpPlan
from lvsha.core.types import Family
from lvsha.errors import ConfigError, Mistake, UsageError
from lvsha.supervisor import child as child_module
from lvsha.supervisor import process as process_module
from lvsha.supervisor.child import Child
from lvsha.supervisor.plans import absent, undecided
from lvsha.supervisor.process import Supervisor
from tests.shell.waiting import until

pytestmark = pytest.mark.timeout(50)

ROUTER = VirtualRouter(
    "web", 51, "eth0", Family.IPV4, 150, (ip_interface("192.0.2.1/32"),), source=ip_address("::1")
)
VRRP = VrrpPlan("c", "n", (ROUTER,))
DIRECTOR = DirectorPlan("c", "n", ())

OBEDIENT = """\
import json, socket, sys
end = socket.socket(fileno=int(sys.argv[sys.argv.index("--channel-fd") + 1])).makefile("rw")
for line in end:
    told = json.loads(line)
    if told["type"] == "Configure":
        answer = {"type": "Configured", "generation": told["generation"]}
        end.write(json.dumps(answer) + "\\n"); end.flush()
    if told["type"] == "Stop":
        sys.exit(0)
"""
BABBLING = OBEDIENT.replace(
    "for line in end:", "end.write('hello?\\n'); end.flush()\nfor line in end:"
)
CRASHING = "raise SystemExit(9)"
TALKATIVE = """\
import time
for _ in range(12):
    end.write('{"type": "Alive"}\\n'); end.flush(); time.sleep(SECONDS)
for line in end:"""
DEAF = "import time; time.sleep(60)"
SPEECHLESS = """\
import os, sys, time
os.close(int(sys.argv[sys.argv.index("--channel-fd") + 1]))
time.sleep(60)
"""


def program(text: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", text)


def talking(every: float) -> str:
    return OBEDIENT.replace("for line in end:", TALKATIVE.replace("SECONDS", str(every)))


@asynccontextmanager
async def alive(text: str, patience: int = 10):
    """A child whose starts, messages and ends are remembered."""
    starts, heard, ends = [], [], []
    found = Child(
        "vrrp",
        (),
        lambda: starts.append(found.pid),
        heard.append,
        lambda: ends.append(1),
        program(text),
        patience,
    )
    found.starts, found.heard, found.ends = starts, heard, ends
    life = found.start()
    try:
        yield found
    finally:
        await found.stop()
        assert life.done()


async def test_a_killed_child_is_started_again_with_one_line(events) -> None:
    async with alive(OBEDIENT) as child:
        await until(lambda: child.pid)
        first = child.pid
        os.kill(first, signal.SIGKILL)
        await until(lambda: len(child.starts) == 2)
        assert child.pid != first
        assert child.ends == [1]
    assert [said["reason"] for said in events("child.died")] == ["killed by SIGKILL"]


async def test_a_child_that_ends_at_once_is_started_ever_more_slowly(events) -> None:
    async with alive(CRASHING) as child:
        await until(lambda: len(child.starts) == 4)
    pauses = [said["restart_in"] for said in events("child.died")]
    assert pauses[:3] == [0.2, 0.5, 1.0]
    assert {said["reason"] for said in events("child.died")} == {"exited with 9"}


async def test_a_child_that_talks_nonsense_is_replaced(events) -> None:
    async with alive(BABBLING) as child:
        await until(lambda: len(child.starts) == 2)
    assert events("child.died")[0]["reason"] == "channel: not a message: b'hello?\\n'"


async def test_a_child_that_hangs_is_killed_and_started_again(events) -> None:
    async with alive(talking(60), patience=1) as child:
        await until(lambda: len(child.starts) == 2)
    assert events("child.killed")[0] == {"process": "vrrp", "reason": "no word for 1 s"}
    assert events("child.died")[0]["reason"] == "killed by SIGKILL"


async def test_a_child_that_closes_its_channel_and_stays_is_killed(events, monkeypatch) -> None:
    """Nobody could ever stop it, or tell it anything."""
    monkeypatch.setattr(child_module, "STOP_TIMEOUT", 0.1)
    async with alive(SPEECHLESS) as child:
        await until(lambda: len(child.starts) == 2)
    assert events("child.killed")[0] == {"process": "vrrp", "reason": "no end after 0.1 s"}


async def test_a_child_that_talks_now_and_then_is_left_alone(events) -> None:
    """However long it lives."""
    async with alive(talking(0.4), patience=2) as child:
        await until(lambda: len(child.heard) == 12)
        assert len(child.starts) == 1
    assert events("child.died") == events("child.killed") == []


async def test_a_child_that_can_not_be_started_is_tried_again(events, monkeypatch) -> None:
    """No descriptors, no memory: the supervisor stays, and leaks nothing."""
    spawn, refused = asyncio.create_subprocess_exec, []

    async def short_of_memory(*argv, **options):
        if len(refused) < 2:
            refused.append(1)
            raise OSError(12, "Cannot allocate memory")
        return await spawn(*argv, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", short_of_memory)
    before = len(list(Path("/proc/self/fd").iterdir()))
    async with alive(OBEDIENT) as child:
        await until(lambda: child.pid)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 1  # the loop's own child watcher
    reasons = [said["reason"] for said in events("child.died")]
    assert reasons == ["could not be started: Cannot allocate memory"] * 2


async def test_a_child_that_does_not_end_is_killed_and_that_is_told(events, monkeypatch) -> None:
    monkeypatch.setattr(child_module, "STOP_TIMEOUT", 0.1)
    async with alive(DEAF) as child:
        await until(lambda: child.pid)
        assert not await child.stop()
    assert [said["process"] for said in events("child.killed")] == ["vrrp"]
    assert events("child.died") == []


async def test_a_child_killed_for_hanging_has_not_ended_in_order_though_a_stop_waits_for_it(
    events,
) -> None:
    """Somebody has to look what it left behind."""
    async with alive(talking(60), patience=1) as child:
        await until(lambda: child.heard)
        assert not await child.stop()
    assert [said["reason"] for said in events("child.killed")] == ["no word for 1 s"]
    async with alive(OBEDIENT) as child:
        await until(lambda: child.pid)
        assert await child.stop()


async def test_a_stop_between_two_lives_ends_the_waiting() -> None:
    async with alive(CRASHING) as child:
        await until(lambda: len(child.ends) >= 4)  # the pause is seconds now
        assert not await child.stop()  # but it had not ended in order


@dataclass
class Plans:
    vrrp: VrrpPlan = VRRP
    director: DirectorPlan = DIRECTOR


@asynccontextmanager
async def supervised(directory, load, text=OBEDIENT):
    made = Supervisor(Plans(), load, directory, program(text))
    running = asyncio.create_task(made.run())
    try:
        await until(lambda: made._configured["vrrp"] or (text is DEAF and made._table_generation))
        yield made
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await running


async def test_a_daemon_starts_reloads_and_stops_in_order(tmp_path, events) -> None:
    async with supervised(tmp_path, replace) as daemon:
        done = await daemon.reload()
        assert (done.generation, done.error) == (2, "")
        await asyncio.gather(*(daemon.reload() for _ in range(3)))
        assert daemon._configured == {"vrrp": 5, "director": 5}
    assert [said["generation"] for said in events("config.reloaded")] == [2, 3, 4, 5]
    assert len(events("daemon.stopped")) == 1
    assert events("child.died") == events("child.killed") == []


MISTAKES = ConfigError((Mistake("f", 1, 2, "a", "wrong", "try"), Mistake("f", 3, 4, "b", "bad")))
REJECTIONS = {
    "mistakes": (MISTAKES, str(MISTAKES), 2, ["f:1:2: a: wrong\n  hint: try", "f:3:4: b: bad"]),
    "gone": (UsageError("f: no such file"), "lvsha: f: no such file", 2, ["f: no such file"]),
    "bug": (ZeroDivisionError("x"), "lvsha: unexpected: ZeroDivisionError: x", 1, ["x"]),
}


@pytest.mark.parametrize(("error", "text", "code", "logged"), REJECTIONS.values(), ids=REJECTIONS)
async def test_a_file_that_can_not_be_taken_changes_nothing(
    tmp_path, events, error, text, code, logged
) -> None:
    def refuse(_):
        raise error

    async with supervised(tmp_path, refuse) as daemon:
        done = await daemon.reload()
        assert (done.generation, done.error, done.exit_code) == (1, text, code)
        assert daemon._configured == {"vrrp": 1, "director": 1}
    assert [said["mistakes"] for said in events("config.rejected")] == [logged]


async def test_a_reload_no_process_takes_says_which(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(process_module, "TABLE_TIMEOUT", 0.3)
    monkeypatch.setattr(child_module, "STOP_TIMEOUT", 0.1)
    monkeypatch.setattr(process_module, "withdraw", _nothing)
    async with supervised(tmp_path, lambda running: running, DEAF) as daemon:
        done = await daemon.reload()
    text = "generation 2 is read, but not yet in force in the director process: see its log"
    assert (done.error, done.exit_code) == (f"lvsha: {text}", 1)


async def _nothing(_) -> None: ...


async def test_a_kernel_that_lets_nothing_be_taken_off_keeps_nobody_from_stopping(
    tmp_path, events, monkeypatch
) -> None:
    async def refused(_) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(child_module, "STOP_TIMEOUT", 0.1)
    monkeypatch.setattr(process_module, "TABLE_TIMEOUT", 0.3)
    monkeypatch.setattr(process_module, "withdraw", refused)
    async with supervised(tmp_path, lambda running: running, DEAF) as daemon:
        pass
    assert daemon._director.pid == 0
    assert [said["error"] for said in events("kernel.error")] == ["[Errno 24] Too many open files"]
    assert len(events("daemon.stopped")) == 1


async def test_a_stop_in_the_middle_of_a_reload_ends_it(tmp_path, events, monkeypatch) -> None:
    monkeypatch.setattr(process_module, "TABLE_TIMEOUT", 30)
    async with supervised(tmp_path, lambda running: running) as daemon:
        daemon._director._channel.close()  # it will never hear of generation 2
        reload = asyncio.create_task(daemon.reload())
        await asyncio.sleep(0.1)
    reload.cancel()
    assert len(events("daemon.stopped")) == 1


def test_what_the_dead_vrrp_process_said_is_not_repeated() -> None:
    status = undecided(VRRP)
    assert [router.state for router in status.routers] == ["INIT"]
    (router,) = absent(status).routers
    assert (router.state, router.master) == ("FAULT", None)
    assert router.faults == ("the vrrp process is not running",)
    assert Configured(1) != Stop()
