"""Processes that stand still, two owners, reloads under a master: one is master in the end."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.netns.capture import Capture, captured
from tests.netns.pair import HEAD, Node, Site, eventually, one_master, router, site, vip

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]

LB1, LB2 = "192.168.1.11", "192.168.1.12"
FILE = HEAD + router("web", 1, interval="200ms") + router("other", 2)


@pytest.fixture(scope="module")
def place() -> Iterator[Site]:
    with site() as made:
        made.start(FILE)
        for name in ("web", "other"):
            one_master(name, *made.pair)
        yield made


@pytest.fixture
def capture(place) -> Iterator[Capture]:
    with captured(place.lab.namespaces["front"]) as made:
        yield made


def one_holder(number: int, holder: Node, other: Node) -> None:
    eventually("held", lambda: holder.holds(vip(number)) and not other.holds(vip(number)))


def test_a_master_that_stands_still_is_replaced_and_wakes_as_a_backup(place, capture):
    """What it says before it knows better changes nothing; in its time it takes over again."""
    lb1, lb2 = place.pair
    pid = lb1.pids()["vrrp"]
    os.kill(pid, signal.SIGSTOP)
    one_master("web", lb2)
    stopped = time.time()
    eventually("some adverts", lambda: len(capture.since(stopped, LB2)) > 20)
    assert capture.since(stopped, LB1) == []
    woken = time.time()
    os.kill(pid, signal.SIGCONT)
    eventually("it knows", lambda: lb1.told("vrrp.state", router="web", old="MASTER"))
    one_master("web", lb1, lb2)
    one_holder(1, lb1, lb2)
    (said,) = lb1.told("vrrp.state", router="web", old="MASTER")
    assert said["reason"] == f"{LB2} took over while this node stood still"
    words = [each for each in capture.since(woken, LB1) if each.virtual_router_id == 1]
    assert [each.priority for each in words[:2]] == [1, 150]
    assert words[1].at - words[0].at > 3 * 0.2
    assert [each.priority for each in words if each.priority != 150] == [1]
    assert lb1.pids()["vrrp"] == pid


def test_a_backup_that_stands_still_does_not_take_over_when_it_wakes(place, capture):
    lb1, lb2 = place.pair
    one_master("web", lb1, lb2)
    since = lb1.router("web")["since"]
    pid = lb2.pids()["vrrp"]
    os.kill(pid, signal.SIGSTOP)
    began = time.time()
    eventually("some adverts", lambda: len(capture.since(began, LB1)) > 20)
    os.kill(pid, signal.SIGCONT)
    woken = time.time()
    eventually("more", lambda: len(capture.since(woken, LB1)) > 20)
    assert capture.since(began, LB2) == []
    assert (lb1.router("web")["since"], lb2.state("web")) == (since, "BACKUP")


def test_a_reload_changes_what_differs_and_no_master(place, capture):
    """Priority, addresses and interval of one router; the other one does not notice."""
    lb1, lb2 = place.pair
    for name in ("web", "other"):
        one_master(name, lb1, lb2)
    since = [lb1.router(name)["since"] for name in ("web", "other")]
    changed = FILE.replace("priority: 150", "priority: 160").replace("200ms", "400ms")
    changed = changed.replace(vip(1), f"{vip(1)}, {vip(5)}")
    for node in place.nodes:
        node.reload(changed)
    eventually("another address", lambda: lb1.holds(vip(5)) and lb1.holds(vip(1)))
    for node in place.nodes:
        node.reload(changed.replace(f"{vip(1)}, ", ""))
    eventually("one address less", lambda: lb1.holds(vip(5)) and not lb1.holds(vip(1)))
    assert lb1.router("web")["effective_priority"] == 160
    eventually(
        "lb2 learns", lambda: {each["interval"] for each in lb2.router("web")["peers"]} == {0.4}
    )
    for node in place.nodes:
        node.reload(FILE)
    eventually("as before", lambda: lb1.holds(vip(1)) and not lb1.holds(vip(5)))
    assert [lb1.router(name)["since"] for name in ("web", "other")] == since
    assert capture.since(0, LB2) == []
    priorities = [each.priority for each in capture.since(0, LB1) if each.virtual_router_id == 2]
    assert set(priorities) == {150, 160}


def test_a_router_added_and_taken_away_by_reload_leaves_the_others_alone(place, capture):
    lb1, lb2 = place.pair
    since = [lb1.router(name)["since"] for name in ("web", "other")]
    for node in place.nodes:
        node.reload(FILE + router("third", 3))
    one_master("third", lb1, lb2)
    one_holder(3, lb1, lb2)
    for node in place.nodes:
        node.reload(FILE)
    eventually("gone", lambda: not lb1.holds(vip(3)))
    assert {each.virtual_router_id for each in capture.since(0, LB2)} <= {3}
    assert [lb1.router(name)["since"] for name in ("web", "other")] == since


def test_of_two_address_owners_one_yields_and_says_so(place):
    """Each file has its own node as the owner, who starts as master; the higher address stays
    (RFC 9568 section 6.4.3).
    """
    lb1, lb2 = place.pair
    assert lb2.stop() == 0
    lb1.reload(FILE.replace("priority: 150", "priority: 255"))
    lb2.write(FILE.replace("priority: 100", "priority: 255"))
    lb2.start()
    one_master("web", lb2, lb1)
    one_holder(1, lb2, lb1)
    reason = f"{LB2} advertises priority 255, ours is 255"
    eventually("said", lambda: lb1.told("vrrp.state", router="web", reason=reason))
    for node in (lb2, lb1):
        node.reload(FILE)
    one_master("web", lb1, lb2)
    one_holder(1, lb1, lb2)


@pytest.mark.long
def test_a_vrrp_process_that_does_not_wake_is_replaced(place):
    lb1, lb2 = place.pair
    one_master("web", lb1, lb2)
    pid = lb1.pids()["vrrp"]
    os.kill(pid, signal.SIGSTOP)
    one_master("web", lb2)
    eventually(
        "killed", lambda: lb1.told("child.killed", process="vrrp", reason="no word for 10 s")
    )
    eventually("another", lambda: lb1.pids()["vrrp"] not in (0, pid))
    one_master("web", lb1, lb2)
    one_holder(1, lb1, lb2)


@pytest.mark.long
def test_a_director_that_hangs_is_replaced_and_the_master_stays(place):
    lb1, lb2 = place.pair
    one_master("web", lb1, lb2)
    since, pid = lb1.router("web")["since"], lb1.pids()["director"]
    os.kill(pid, signal.SIGSTOP)
    said = {"process": "director", "reason": "no word for 30 s"}
    for _ in range(2):
        if not lb1.told("child.killed", **said):
            time.sleep(16)
    eventually("killed", lambda: lb1.told("child.killed", **said))
    eventually("another", lambda: lb1.pids().get("director") not in (None, 0, pid))
    assert lb1.router("web")["since"] == since


@pytest.mark.long
def test_without_a_director_for_long_the_peer_takes_over_and_gives_back(place):
    """It dies, and its successor never gets to work: for ten seconds nothing, then a fault."""
    lb1, lb2 = place.pair
    one_master("web", lb1, lb2)
    before = lb1.pids()
    os.kill(before["director"], signal.SIGKILL)
    child = eventually("its successor", lambda: successor(lb1, before))
    os.kill(child, signal.SIGSTOP)
    one_master("web", lb2)
    os.kill(child, signal.SIGCONT)
    one_master("web", lb1, lb2)
    states = lb1.told("vrrp.state", router="web", new="FAULT")
    assert states[-1]["reason"] == "director is not running"
    assert lb1.router("web")["faults"] == []


def successor(node: Node, before: dict[str, int]) -> int | None:
    for pid in node.machine.processes():
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except FileNotFoundError:
            continue
        if b"director" in words and pid != before["director"]:
            return pid
    return None
