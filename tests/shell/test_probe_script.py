"""The `script` check with real programs."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from ipaddress import ip_address
from pathlib import Path

import pytest

from lvsha.core.health import Advice, Outcome
from lvsha.core.plan import Check
from lvsha.core.probes import ScriptProbe
from lvsha.probes import Prober
from lvsha.probes import script as script_module
from tests.shell.targets import probe

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
ME = "root" if os.geteuid() == 0 else os.environ.get("USER", "")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")


def shell(text: str, dynamic_weight: bool = False, user: str = ME) -> ScriptProbe:
    """A probe that is a line of shell."""
    return ScriptProbe(("/bin/sh", "-c", text), user, dynamic_weight)


@pytest.mark.parametrize(
    ("text", "outcome", "message"),
    [
        ("exit 0", PASS, "exit code 0 in "),
        ("exit 1", FAIL, "exit code 1"),
        ("echo; echo '  disk full'; echo more; exit 2", FAIL, "exit code 2: disk full"),
        ("echo oops >&2; exit 255", FAIL, "exit code 255: oops"),
        ("printf 'a\\tb\\033[1m\\n'; exit 3", FAIL, "exit code 3: a b [1m"),
        ("kill -SEGV $$", FAIL, "killed by SIGSEGV"),
        ("kill -40 $$", FAIL, "killed by signal 40"),
    ],
)
async def test_the_exit_code_decides(text: str, outcome: Outcome, message: str) -> None:
    """0 is a pass; the first words a program says are in the reason."""
    result = await probe(shell(text), 80)
    assert result.outcome is outcome
    assert result.message.startswith(message)
    assert outcome is PASS or result.message == message
    assert result.advice is None


@pytest.mark.parametrize(
    ("code", "outcome", "advice"),
    [
        (0, PASS, None),
        (1, FAIL, None),
        (2, PASS, Advice(weight=0)),
        (102, PASS, Advice(weight=100)),
        (255, PASS, Advice(weight=253)),
    ],
)
async def test_with_dynamic_weight_exit_codes_are_weights(
    code: int, outcome: Outcome, advice: Advice | None
) -> None:
    """As keepalived's misc_dynamic: two less than the code."""
    result = await probe(shell(f"exit {code}", dynamic_weight=True), 80)
    assert (result.outcome, result.advice) == (outcome, advice)


@as_root
async def test_a_program_is_nobody_unless_told_otherwise() -> None:
    result = await probe(shell("id; exit 1", user="nobody"), 80)
    assert result.message == (
        "exit code 1: uid=65534(nobody) gid=65534(nogroup) groups=65534(nogroup)"
    )


async def test_a_program_is_told_the_target_and_little_else() -> None:
    """No variable of ours, no descriptor, no terminal; / is where it starts."""
    result = await probe(shell("echo $(env | sort) $(pwd); exit 1"), 8080, host="::1")
    assert result.message == (
        f"exit code 1: LVSHA_ADDRESS=::1 LVSHA_PORT=8080 PATH={script_module.PATH} PWD=/ /"
    )
    text = "import os, sys; sys.exit(str([sys.stdin.read(), *sorted(os.listdir('/proc/self/fd'))]))"
    result = await probe(ScriptProbe((sys.executable, "-ISc", text), ME), 80, timeout=5)
    assert result.message == "exit code 1: ['', '0', '1', '2', '3']"  # 3 is the directory read
    result = await probe(shell("ulimit -n; exit 1"), 80)
    assert result.message == "exit code 1: 1024"


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("/nonexistent/program", "/nonexistent/program: no such file or directory"),
        ("/etc/passwd", "/etc/passwd: permission denied"),
        ("/", "/: permission denied"),
    ],
)
async def test_a_program_that_cannot_run_says_nothing_of_the_target(
    program: str, reason: str
) -> None:
    result = await probe(ScriptProbe((program,), ME), 80)
    assert (result.outcome, result.message) == (INCONCLUSIVE, f"this machine: {reason}")


async def test_a_file_that_is_no_program_is_our_fault(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(b"\0\0\0\0")
    program.chmod(stat.S_IRWXU)
    result = await probe(ScriptProbe((str(program),), ME), 80)
    assert result.message == f"this machine: {program}: exec format error"


async def test_a_user_that_is_not_there_is_our_fault() -> None:
    result = await probe(shell("exit 0", user="no-such-user"), 80)
    assert (result.outcome, result.message) == (
        INCONCLUSIVE,
        "this machine: user no-such-user: there is no such user",
    )


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


async def _gone(pid: int) -> bool:
    """Within five seconds."""
    for _ in range(500):
        if not _alive(pid):
            return True
        await asyncio.sleep(0.01)
    return False


async def test_at_the_deadline_the_whole_process_group_is_killed(tmp_path: Path) -> None:
    """The program, though it ignores SIGTERM, and what it has started."""
    pids = tmp_path / "pids"
    text = f"trap '' TERM; sleep 60 & echo $$ $! >{pids}; while :; do sleep 1; done"
    result = await probe(shell(text), 80, timeout=0.4)
    assert (result.outcome, result.message) == (
        FAIL,
        "timed out after 400 ms while running /bin/sh",
    )
    for pid in pids.read_text().split():
        assert await _gone(int(pid))


async def test_what_a_program_leaves_running_ends_with_it(tmp_path: Path) -> None:
    """A check every second would otherwise fill the machine."""
    pid = tmp_path / "pid"
    result = await probe(shell(f"sleep 60 & echo $! >{pid}"), 80)
    assert result.outcome is PASS
    assert await _gone(int(pid.read_text()))


async def test_endless_output_is_read_and_forgotten() -> None:
    """The program is not stopped by a full pipe, nor our memory filled."""
    result = await probe(shell("head -c 10000000 /dev/zero | tr '\\0' x; exit 1"), 80, timeout=5)
    assert result.message == f"exit code 1: {'x' * 200}…"


async def test_a_closed_prober_ends_its_programs(tmp_path: Path) -> None:
    """Nothing runs on after the director."""
    pid = tmp_path / "pid"
    prober = Prober()
    spec = shell(f"echo $$ >{pid}; exec sleep 60")
    prober.prepare(Check(spec, ip_address("127.0.0.1"), 80, timeout=60))(lambda _: None)
    for _ in range(500):
        if pid.exists() and pid.read_text():
            break
        await asyncio.sleep(0.01)
    prober.close()
    assert await _gone(int(pid.read_text()))


async def test_a_killed_spawner_is_replaced() -> None:
    """What was under way is inconclusive; the next probe finds a new one."""
    result = await probe(shell("kill -9 $PPID; sleep 1"), 80)
    assert (result.outcome, result.message) == (
        INCONCLUSIVE,
        "this machine: the process that runs scripts has died",
    )
    await asyncio.sleep(0.1)  # a process dies from its first descriptor to its last
    assert (await probe(shell("exit 0"), 80)).outcome is PASS


async def test_many_programs_run_at_a_time() -> None:
    """Fifty that sleep take about as long as one."""
    results = await asyncio.gather(*(probe(shell("sleep 0.5"), 80, timeout=20) for _ in range(50)))
    assert {result.outcome for result in results} == {PASS}
    assert max(result.elapsed for result in results) < 15


async def test_no_zombie_is_left(tmp_path: Path) -> None:
    """Every program is waited for."""
    pid = tmp_path / "pid"
    await probe(shell(f"echo $$ >{pid}"), 80)
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()
