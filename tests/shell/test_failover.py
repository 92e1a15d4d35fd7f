"""An operator hands a virtual router over: between processes, and from the command line."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import pytest

from lvsha.cli import failover
from lvsha.core.messages import Failover, FailoverDone, VrrpStatus
from lvsha.core.plan import VrrpPlan
from lvsha.director.failovers import Failovers
from lvsha.errors import HostError, UsageError
from lvsha.supervisor.plans import undecided
from lvsha.vrrp import reporter
from lvsha.vrrp.observations import Lateness
from tests.shell.test_vrrp_tracking import grouped, states
from tests.shell.vrrp_lan import Host, lan, pair, router

pytestmark = pytest.mark.looptime


def answers(host: Host) -> list[FailoverDone]:
    return [message for message in host.received if isinstance(message, FailoverDone)]


async def test_the_peer_takes_over_within_a_skew_time_and_keeps_it():
    async with lan() as place:
        first, second = await pair(place)
        first.channel.send(Failover(1, "web"))
        await asyncio.sleep(0.7)
        assert answers(first) == [FailoverDone(1)]
        assert (first.status().state, second.status().state) == ("BACKUP", "MASTER")
        await asyncio.sleep(60)
        assert (first.status().state, second.status().state) == ("BACKUP", "MASTER")
        assert first.status().aside


async def test_who_hears_that_it_is_done_has_heard_of_the_state_it_left():
    """Or `lvsha failover` takes the master of before for one who has come back."""
    async with lan() as place:
        first, _ = await pair(place)
        first.channel.send(Failover(1, "web"))
        await asyncio.sleep(0.7)
        before = first.received[: first.received.index(FailoverDone(1))]
        newest = [message for message in before if isinstance(message, VrrpStatus)][-1]
        assert newest.routers[0].state == "BACKUP"


async def test_a_status_begun_before_it_does_not_come_after_it():
    """Many routers are described in portions; what is told at once meanwhile is newer."""
    lines: list[bytes] = []

    class Told:
        send_line = lines.append

    class Slow:
        unusual = 0

        def status(self):
            if not lines:
                asyncio.get_running_loop().call_soon(tell_once)
            time.sleep(reporter.SLICE * 2)
            return undecided(VrrpPlan("test", "lb1", (router(),))).routers[0]

    def tell_once() -> None:
        if not lines:
            made.tell()

    made = reporter.Reporter(Told(), [Slow(), Slow()], Lateness())
    with suppress(TimeoutError):
        await asyncio.wait_for(made.run(), reporter.STATUS_SPACING)
    assert len(lines) == 1


async def test_handed_over_by_the_peer_it_returns_and_priorities_decide_again():
    async with lan() as place:
        first, second = await pair(place)
        first.channel.send(Failover(1, "web"))
        await asyncio.sleep(5)
        second.channel.send(Failover(1, "web"))
        await asyncio.sleep(1)
        assert (first.status().state, second.status().state) == ("MASTER", "BACKUP")
        assert not first.status().aside
        await asyncio.sleep(3)
        assert not second.status().aside


async def test_a_backup_has_nothing_to_hand_over():
    async with lan() as place:
        _, second = await pair(place)
        second.channel.send(Failover(3, "web"))
        await asyncio.sleep(0.1)
        text = "router web is BACKUP on this node: nothing to hand over; master is 192.0.2.1"
        assert answers(second) == [FailoverDone(3, text)]


async def test_a_sync_group_is_handed_over_whole():
    async with lan() as place:
        first = await place.add("lb1", "192.0.2.1/24")
        second = await place.add("lb2", "192.0.2.2/24")
        await grouped(first, 150)
        await grouped(second, 100)
        await asyncio.sleep(5)
        first.channel.send(Failover(1, "inner"))
        await asyncio.sleep(30)
        assert (states(first), states(second)) == (["BACKUP"] * 2, ["MASTER"] * 2)


async def test_a_reload_does_not_end_it():
    async with lan() as place:
        first, second = await pair(place)
        first.channel.send(Failover(1, "web"))
        await asyncio.sleep(2)
        await first.configure(router(priority=200))
        await asyncio.sleep(10)
        assert (first.status().state, second.status().state) == ("BACKUP", "MASTER")


async def test_an_unknown_router_is_a_wrong_word_with_the_nearest_name():
    async with lan() as place:
        first, _ = await pair(place)
        with pytest.raises(UsageError, match="no router 'wep'; did you mean 'web'"):
            await Failovers(lambda _: None).ask("wep", first.statuses()[-1])


async def test_a_vrrp_process_that_does_not_answer_is_said_to():
    async with lan() as place:
        first, _ = await pair(place)
        with pytest.raises(HostError, match="gives no answer in 5 s"):
            await Failovers(lambda _: None).ask("web", first.statuses()[-1])


def told(monkeypatch: pytest.MonkeyPatch, answer: dict, *states: dict) -> None:
    """A daemon that answers so, whose router then is in these states, one look each."""
    left = list(states)
    monkeypatch.setattr(failover.control, "post", lambda *_: (200, answer))
    monkeypatch.setattr(
        failover.control, "get", lambda *_: {"virtual_routers": [{"name": "web", **left.pop(0)}]}
    )


def test_the_command_waits_for_the_new_master(monkeypatch, tmp_path):
    waiting, taken = ({"state": "BACKUP", "master": each} for each in (None, "192.0.2.2"))
    told(monkeypatch, {"error": ""}, waiting, waiting, taken)
    assert failover.fail_over("web", tmp_path) == ("web: 192.0.2.2 is master now", 0)


def test_the_command_says_when_nobody_took_over(monkeypatch, tmp_path):
    waiting, back = ({"state": each, "master": None} for each in ("BACKUP", "MASTER"))
    told(monkeypatch, {"error": ""}, waiting, back)
    with pytest.raises(HostError, match="no other node took over, this one is master again"):
        failover.fail_over("web", tmp_path)


def test_the_command_ends_as_the_daemon_says(monkeypatch, tmp_path):
    told(monkeypatch, {"error": "lvsha: no router 'wep'", "exit_code": 2})
    assert failover.fail_over("wep", tmp_path) == ("lvsha: no router 'wep'", 2)
