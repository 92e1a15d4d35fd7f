"""What moves together, who is told, and how an operator moves it: two directors, two networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.netns.pair import HEAD, Node, Site, eventually, one_master, router, site, vip

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]

INNER_VIP = "10.0.0.100"
HOOK = "hooks: {on_change: {exec: [/bin/sh, FOLDER/NODE.sh], timeout: 1s}}"
GROUP = (
    HEAD
    + router("outer", 1, interval="200ms")
    + router("inside", 2, "interface: eth1", interval="200ms").replace(vip(2), INNER_VIP)
    + router("told", 3, HOOK)
    + "sync_groups: [{name: both, routers: [outer, inside]}]\n"
)
TELL = 'echo "$(id -un) $LVSHA_ROUTER $LVSHA_OLD $LVSHA_NEW" >>{}'


@pytest.fixture(scope="module")
def place() -> Iterator[Site]:
    with site(inner=True) as made:
        for node in made.nodes:
            (made.folder / f"{node.machine.name}.told").touch()
            (made.folder / f"{node.machine.name}.told").chmod(0o666)
            hook(node, "")
        made.start(GROUP)
        for name in ("outer", "inside", "told"):
            one_master(name, *made.pair)
        yield made


def hook(node: Node, then: str) -> Path:
    """What the node's hook does after it has written down what it was told."""
    told = node.folder / f"{node.machine.name}.told"
    path = node.folder / f"{node.machine.name}.sh"
    fresh = path.with_suffix(".new")
    fresh.write_text(f"{TELL.format(told)}\n{then}\n")
    fresh.rename(path)
    return told


def both_on(master: Node, other: Node) -> None:
    one_master("outer", master, other)
    one_master("inside", master, other)
    eventually("all addresses there", lambda: holders(master) == [True, True])
    eventually("and nowhere else", lambda: holders(other) == [False, False])


def holders(node: Node) -> list[bool]:
    return [node.holds(vip(1)), node.holds(INNER_VIP, "eth1")]


def test_a_lost_link_moves_the_whole_sync_group_and_back(place):
    lb1, lb2 = place.pair
    lb1.machine.link(up=False, interface="eth1")
    both_on(lb2, lb1)
    reasons = lb1.router("inside")["faults"], lb1.router("outer")["faults"]
    assert reasons == (
        ["interface eth1 is down"],
        ["sync group both: inside: interface eth1 is down"],
    )
    lb1.machine.link(up=True, interface="eth1")
    both_on(lb1, lb2)
    assert lb1.router("outer")["faults"] == []


def test_a_network_that_falls_apart_unnoticed_splits_no_sync_group(place):
    """No carrier is lost: lb2 hears nothing inside, but a living master outside."""
    lb1, lb2 = place.pair
    since = lb1.router("inside")["since"], lb1.router("outer")["since"]
    place.part(lb1, lb2, network="inner")
    lb2.hears_more("outer", 10)
    assert (lb2.state("inside"), lb2.state("outer")) == ("BACKUP", "BACKUP")
    assert (lb1.router("inside")["since"], lb1.router("outer")["since"]) == since
    place.part(lb1, lb2, apart=False, network="inner")
    both_on(lb1, lb2)


def test_a_hook_is_told_router_old_and_new_as_nobody(place):
    lb1, _ = place.pair
    told = hook(lb1, "")
    eventually("told at the start", lambda: "nobody told BACKUP MASTER" in told.read_text())
    (said,) = lb1.told("vrrp.hook", router="told", new="MASTER")
    assert (said["exit_code"], said["level"]) == (0, "info")
    assert lb1.router("told")["hook"]["exit_code"] == 0


def test_a_hook_runs_one_at_a_time_and_hears_the_last_state(place):
    """While it sleeps the router comes and goes: what it hears next is where that ended."""
    lb1, _ = place.pair
    told = hook(lb1, f"echo begin >>{lb1.folder}/lb1.told; sleep 0.7; "
                     f"echo end >>{lb1.folder}/lb1.told; exit 7")  # fmt: skip
    told.write_text("")
    lb1.machine.link(up=False)
    eventually("it begins", lambda: "begin" in told.read_text())
    for _ in range(2):
        lb1.machine.link(up=True)
        eventually("master", lambda: lb1.state("told") == "MASTER")
        lb1.machine.link(up=False)
        eventually("fault", lambda: lb1.state("told") == "FAULT")
    lb1.machine.link(up=True)
    eventually("master at last", lambda: lb1.state("told") == "MASTER")
    eventually("it hears", lambda: lb1.router("told")["hook"]["told"] == "MASTER")
    lines = told.read_text().splitlines()
    assert lines[0] == "nobody told MASTER FAULT"
    heard = [line.split() for line in lines if line.startswith("nobody")]
    assert heard[-1][3] == "MASTER"
    assert len(heard) <= 4
    assert [later[2] for later in heard[1:]] == [earlier[3] for earlier in heard[:-1]]
    order = [line for line in lines if line in ("begin", "end")]
    assert order == ["begin", "end"] * len(heard)
    shown = lb1.router("told")["hook"]
    assert (shown["exit_code"], shown["message"]) == (7, "exited with 7")
    eventually("logged", lambda: lb1.told("vrrp.hook", exit_code=7, level="warning"))
    hook(lb1, "")


def test_a_hook_that_does_not_end_is_killed_and_the_next_change_is_told(place):
    lb1, lb2 = place.pair
    told = hook(lb1, "exec sleep 60")
    told.write_text("")
    lb1.machine.link(up=False)
    eventually("killed", lambda: lb1.told("vrrp.hook", new="FAULT", exit_code=None))
    shown = lb1.router("told")["hook"]
    assert (shown["exit_code"], shown["message"]) == (None, "took longer than 1 s")
    hook(lb1, "")
    lb1.machine.link(up=True)
    eventually("told", lambda: "nobody told BACKUP MASTER" in told.read_text())
    one_master("told", lb1, lb2)


def test_an_operator_hands_a_group_over_and_a_preempting_better_one_keeps_out(place):
    """lb1 has the higher priority and preempts, but was told to let go: until it is told back."""
    lb1, lb2 = place.pair
    both_on(lb1, lb2)
    assert lb1.fail_over("outer") == (0, "outer: 192.168.1.12 is master now\n", "")
    both_on(lb2, lb1)
    lb1.hears_more("outer", 10)
    both_on(lb2, lb1)
    assert lb1.router("outer")["aside"]
    line = "lvsha: router outer is BACKUP on this node: nothing to hand over; master is "
    assert lb1.fail_over("outer") == (1, "", f"{line}192.168.1.12\n")
    assert lb2.fail_over("inside") == (0, "inside: 10.0.0.11 is master now\n", "")
    both_on(lb1, lb2)
    assert not lb1.router("outer")["aside"]
    reason = lb2.told("vrrp.state", router="outer", old="MASTER")[-1]["reason"]
    assert reason == "handed over by an operator"


def test_a_better_one_that_was_told_to_let_go_takes_over_when_the_other_dies(place):
    lb1, lb2 = place.pair
    both_on(lb1, lb2)
    assert lb1.fail_over("outer") == (0, "outer: 192.168.1.12 is master now\n", "")
    both_on(lb2, lb1)
    lb2.kill_processes()
    eventually("taken over", lambda: lb1.state("outer") == lb1.state("inside") == "MASTER")
    lb2.start()
    both_on(lb1, lb2)
    line = "lvsha: no router 'nothing'; there are outer, inside, told\n"
    assert lb1.fail_over("nothing") == (2, "", line)
