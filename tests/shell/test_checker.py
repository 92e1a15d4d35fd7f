"""The checkers under virtual time, with probes that follow a script."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from ipaddress import ip_address
from itertools import pairwise

import pytest

from lvsha.core.health import Health, Measured, Outcome, ProbeResult
from lvsha.core.plan import Check
from lvsha.core.probes import TcpProbe
from lvsha.director.checker import BURST, FIRST_ROUND_RATE, TOGETHER, Checkers
from lvsha.probes import Prober
from tests.shell.targets import serving, silent

pytestmark = pytest.mark.looptime

LETTERS = {"+": Outcome.PASS, "-": Outcome.FAIL, "!": Outcome.FAIL, "?": Outcome.INCONCLUSIVE}
"""`!` is a failure of which the target told itself."""

Done = Callable[[ProbeResult], None]


class Script:
    """Probes that end after `takes` seconds with the next letter of `answers`."""

    def __init__(self, answers: str = "+", takes: float = 0.001) -> None:
        self.answers = answers
        self.takes = takes
        self.starts: dict[Check, list[float]] = {}
        self.under_way = 0
        self.most = 0
        self.skew = 0.0
        self.closed = False

    def clock(self) -> float:
        return asyncio.get_running_loop().time() + self.skew

    def prepare(self, check: Check) -> Callable[[Done], Flight]:
        return partial(Flight, self, check)

    def close(self) -> None:
        self.closed = True

    def times(self) -> list[float]:
        return sorted(at for starts in self.starts.values() for at in starts)


class Flight:
    """One scripted probe."""

    def __init__(self, script: Script, check: Check, done: Done) -> None:
        self.script, self.check, self.done = script, check, done
        loop = asyncio.get_running_loop()
        starts = script.starts.setdefault(check, [])
        letter = script.answers[min(len(starts), len(script.answers) - 1)]
        starts.append(loop.time())
        script.under_way += 1
        script.most = max(script.most, script.under_way)
        if script.takes:
            self.timer = loop.call_later(script.takes, self.end, letter)
        else:
            self.end(letter)

    def end(self, letter: str) -> None:
        self.script.under_way -= 1
        takes, at = self.script.takes, self.script.clock()
        self.done(ProbeResult(LETTERS[letter], letter, takes, at, refused=letter == "!"))

    def cancel(self) -> None:
        self.script.under_way -= 1
        self.timer.cancel()


class Bench:
    """Checkers on a script, and what they told."""

    def __init__(self, script: Script, limit: int = 1000) -> None:
        self.script = script
        self.changes: list[tuple[Check, Measured, Measured, str]] = []
        self.checkers = Checkers(script, self._note, limit, script.clock)

    def _note(self, check: Check, old: Health, new: Health, result: ProbeResult) -> None:
        self.changes.append((check, old.measured, new.measured, result.message))

    async def run(self, checks: list[Check], seconds: float) -> None:
        self.checkers.update(checks)
        await asyncio.sleep(seconds)


def server(number: int = 1, interval: float = 2.0, rise: int = 2, fall: int = 3) -> Check:
    address = ip_address("10.0.0.0") + number
    return Check(TcpProbe(), address, 80, interval, timeout=1.0, rise=rise, fall=fall)


async def test_the_first_round_is_fast_and_spread() -> None:
    """1,000 checks are all decided in a fraction of their interval, never many in one tick."""
    bench = Bench(Script())
    await bench.run([server(n, interval=10) for n in range(1000)], 0.5)
    assert bench.checkers.decided
    first = [starts[0] for starts in bench.script.starts.values()]
    assert max(first) <= 1000 / FIRST_ROUND_RATE + 2 * TOGETHER
    assert max(Counter(first).values()) <= BURST
    await bench.checkers.close()


async def test_the_first_round_takes_no_longer_than_the_interval() -> None:
    """Checks every 100 ms start within 100 ms, however many there are."""
    bench = Bench(Script())
    await bench.run([server(n, interval=0.1) for n in range(1000)], 0.1 + 2 * TOGETHER)
    assert len(bench.script.starts) == 1000
    await bench.checkers.close()


@pytest.mark.looptime(False)
async def test_what_is_due_at_once_is_started_in_portions() -> None:
    """After a stall of ours results are read between starts: the loop never freezes on starting."""
    bench = Bench(Script(takes=0.000001))
    bench.checkers.update([server(n, interval=TOGETHER / 2) for n in range(10 * BURST)])
    while len(bench.script.starts) < 10 * BURST:
        await asyncio.sleep(TOGETHER)
    assert bench.script.most <= 3 * BURST
    await bench.checkers.close()


async def test_later_rounds_are_spread_over_the_interval() -> None:
    """Of 300 checks at 5 s, every second starts 60, within a few."""
    bench = Bench(Script())
    await bench.run([server(n, interval=5) for n in range(300)], 20)
    seconds = Counter(int(at) for at in bench.script.times())
    assert all(57 <= seconds[second] <= 63 for second in range(6, 19))
    await bench.checkers.close()


async def test_checks_added_one_by_one_are_spread_too() -> None:
    """Reloads add a server at a time; their checks do not pile up."""
    bench = Bench(Script())
    for n in range(1, 101):
        bench.checkers.update([server(m, interval=5) for m in range(n)])
    await asyncio.sleep(20)
    seconds = Counter(int(at) for at in bench.script.times())
    assert all(17 <= seconds[second] <= 23 for second in range(6, 19))
    await bench.checkers.close()


async def test_every_check_runs_once_an_interval_without_drift() -> None:
    """After many rounds each start is still in its place."""
    bench = Bench(Script(takes=0.3))
    await bench.run([server(1, interval=2), server(2, interval=7)], 60)
    for check, starts in bench.script.starts.items():
        assert starts[1] - starts[0] <= check.interval + TOGETHER
        for number, at in enumerate(starts[1:]):
            assert at == pytest.approx(starts[1] + number * check.interval, abs=TOGETHER)
        assert len(starts) == pytest.approx(60 / check.interval, abs=2)
    await bench.checkers.close()


async def test_a_long_probe_delays_its_own_next_start_only() -> None:
    """One probe of a check at a time; whole intervals that were missed are not made up for."""
    bench = Bench(Script(takes=5))
    await bench.run([server(interval=2)], 60)
    (starts,) = bench.script.starts.values()
    assert bench.script.most == 1
    assert all(5 <= later - earlier <= 5 + 2 * TOGETHER for earlier, later in pairwise(starts))
    bench.script.takes = 0.001
    await asyncio.sleep(20)
    assert len([at for at in starts if at > 60]) <= 11
    await bench.checkers.close()


async def test_no_more_probes_than_allowed_are_under_way() -> None:
    """With 10 at once and 100 waiting, all are done in turn, and the lateness is known."""
    bench = Bench(Script(takes=0.1), limit=10)
    await bench.run([server(n, interval=10) for n in range(100)], 5)
    assert bench.script.most == 10
    assert bench.checkers.decided
    assert 0.5 < bench.checkers.counters.lateness_quantile(1) < 2
    assert bench.checkers.counters.lateness_quantile(0.5) > 0.3
    await bench.checkers.close()


async def test_a_failure_in_one_step_is_taken_too() -> None:
    """A probe may end before its start has returned."""
    bench = Bench(Script("-", takes=0), limit=1)
    await bench.run([server(n) for n in range(3)], 1.9)
    assert bench.checkers.decided
    assert bench.checkers.under_way == 0
    await bench.checkers.close()


async def test_transitions_are_told_once() -> None:
    """The first result decides; then rise and fall count; nothing is told in between."""
    bench = Bench(Script("-?++--?-+-"))
    await bench.run([server(interval=1)], 20)
    assert [change[1:] for change in bench.changes] == [
        (Measured.UNKNOWN, Measured.DOWN, "-"),
        (Measured.DOWN, Measured.UP, "+"),
        (Measured.UP, Measured.DOWN, "-"),
    ]
    assert bench.checkers.health(server(interval=1)).measured is Measured.DOWN
    assert bench.checkers.counters.inconclusive == 2
    assert bench.checkers.counters.passed == 3
    await bench.checkers.close()


async def test_ready_waits_for_every_check_to_be_decided() -> None:
    """Inconclusive results decide nothing; without checks all is decided."""
    bench = Bench(Script("???+"))
    assert bench.checkers.decided
    await bench.run([server(1, interval=1), server(2, interval=1)], 2)
    assert not bench.checkers.decided
    assert bench.checkers.health(server(1, interval=1)).message == "?"
    await asyncio.sleep(3)
    assert bench.checkers.decided
    await bench.checkers.close()


async def test_equal_checks_are_one_probe() -> None:
    """Two services that check the same target in the same way share it."""
    bench = Bench(Script())
    await bench.run([server(), replace(server())], 1.9)
    assert [len(starts) for starts in bench.script.starts.values()] == [2]
    assert bench.script.most == 1
    await bench.checkers.close()


async def test_an_update_leaves_unchanged_checks_alone() -> None:
    """Health, schedule and the probe under way go on; added ones start, removed ones end."""
    bench = Bench(Script(takes=0.5))
    await bench.run([server(1), server(2)], 0.6)
    before = bench.checkers.health(server(1))
    await bench.run([server(1), server(3)], 2.9)
    assert bench.checkers.health(server(1)) == before
    kept, removed, added = (bench.script.starts[server(n)] for n in (1, 2, 3))
    assert len(kept) >= 2
    assert max(removed) < 0.6
    assert added[0] < 0.7
    with pytest.raises(KeyError):
        bench.checkers.health(server(2))
    await bench.checkers.close()


async def test_a_removed_check_says_nothing_more() -> None:
    """Its probe under way is cancelled, and no longer counts as undecided."""
    bench = Bench(Script(takes=0.5))
    await bench.run([server(1), server(2)], 0.1)
    assert bench.script.under_way == 2
    bench.checkers.update([])
    assert (bench.script.under_way, bench.checkers.under_way) == (0, 0)
    assert bench.checkers.decided
    await asyncio.sleep(5)
    assert bench.changes == []
    await bench.checkers.close()


async def test_a_new_pace_keeps_the_health() -> None:
    """Editing interval, timeout, rise or fall does not make a server unknown."""
    bench = Bench(Script("-"))
    await bench.run([server()], 1)
    faster = replace(server(), interval=0.5, timeout=0.4, rise=1, fall=1)
    before = bench.checkers.health(server())
    bench.checkers.update([faster])
    assert bench.checkers.health(faster) == before
    assert bench.checkers.decided
    await asyncio.sleep(1)
    assert len(bench.script.starts[faster]) >= 2
    assert len(bench.changes) == 1
    await bench.checkers.close()


async def stalled_probe(bench: Bench, seconds: float) -> None:
    """Stand still for so long while the next probe is under way."""
    starts = len(bench.script.times())
    while len(bench.script.times()) == starts:
        await asyncio.sleep(0.03)
    bench.script.skew += seconds
    while bench.script.under_way:
        await asyncio.sleep(0.03)


async def test_a_failure_while_we_stood_still_is_not_believed() -> None:
    """It changes nothing, and is counted and explained."""
    bench = Bench(Script("+-", takes=0.1))
    await bench.run([server(interval=3, fall=1)], 0.5)
    await stalled_probe(bench, 0.3)
    assert bench.checkers.counters.stalled == bench.checkers.counters.inconclusive == 1
    assert bench.checkers.health(server(interval=3, fall=1)).measured is Measured.UP
    await bench.checkers.close()


async def test_a_refusal_counts_however_late_we_are() -> None:
    """Standing still can't make a target say no."""
    bench = Bench(Script("+!", takes=0.1))
    await bench.run([server(interval=3, fall=1)], 0.5)
    await stalled_probe(bench, 0.3)
    assert bench.checkers.counters.stalled == 0
    assert bench.checkers.health(server(interval=3, fall=1)).measured is Measured.DOWN
    await bench.checkers.close()


async def test_a_short_delay_of_ours_excuses_nothing() -> None:
    """Below a tenth of the timeout the failure is the target's."""
    bench = Bench(Script("+-", takes=0.1))
    await bench.run([server(interval=3, fall=1)], 0.5)
    await stalled_probe(bench, 0.05)
    assert bench.checkers.counters.stalled == 0
    assert bench.checkers.health(server(interval=3, fall=1)).measured is Measured.DOWN
    await bench.checkers.close()


async def test_a_pass_counts_however_late_we_are() -> None:
    """Standing still can't make a dead target answer."""
    bench = Bench(Script("-+", takes=0.1))
    await bench.run([server(interval=3, rise=1)], 0.5)
    await stalled_probe(bench, 0.3)
    assert bench.checkers.health(server(interval=3, rise=1)).measured is Measured.UP
    await bench.checkers.close()


async def test_a_loop_that_is_always_late_does_not_keep_the_dead_in_service() -> None:
    """After `fall` excuses in a row without a pass, failures count again."""
    bench = Bench(Script("+------", takes=0.1))
    check = server(interval=3, fall=2)
    await bench.run([check], 0.5)
    seen = []
    for _ in range(4):
        await stalled_probe(bench, 0.3)
        seen.append(bench.checkers.health(check).measured)
    assert seen == [Measured.UP, Measured.UP, Measured.UP, Measured.DOWN]
    assert bench.checkers.counters.stalled == 2
    await bench.checkers.close()


async def test_a_pass_renews_the_excuses() -> None:
    """Failures that are ours now and then never add up."""
    bench = Bench(Script("+-+-+-+", takes=0.1))
    await bench.run([server(interval=3, fall=1)], 0.5)
    for _ in range(3):
        await stalled_probe(bench, 0.3)
        await asyncio.sleep(3)
    assert bench.checkers.counters.stalled == 3
    assert len(bench.changes) == 1
    await bench.checkers.close()


async def test_closing_ends_everything() -> None:
    """No start, no result, no timer is left."""
    bench = Bench(Script(takes=0.5))
    await bench.run([server(n) for n in range(10)], 0.1)
    await bench.checkers.close()
    starts = len(bench.script.times())
    await asyncio.sleep(10)
    assert len(bench.script.times()) == starts
    assert bench.script.under_way == 0
    assert bench.script.closed
    assert bench.changes == []


@pytest.mark.looptime(False)
async def test_a_real_server_comes_and_goes() -> None:
    """With real probes: up while it listens, down after `fall` refusals."""
    changes: asyncio.Queue[tuple[Measured, str]] = asyncio.Queue()
    checkers = Checkers(
        Prober(),
        lambda _check, _old, new, result: changes.put_nowait((new.measured, result.message)),
    )
    async with serving(silent) as port:
        checkers.update([Check(TcpProbe(), ip_address("127.0.0.1"), port, 0.02, 0.02, 1, 2)])
        measured, message = await changes.get()
        assert measured is Measured.UP
        assert message.startswith("connected in ")
    assert await changes.get() == (Measured.DOWN, "connection refused")
    await checkers.close()
