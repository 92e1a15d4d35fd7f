"""Quorum, tiers, panic, drain and slow start on the real kernel, each as a client sees it.

Every test that promises it counts: no request of a steady stream fails while servers come and go.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lvsha.core.messages import RouterStatus, VrrpStatus
from lvsha.lab.nodes import wait_for
from lvsha.lab.responder import Responder
from tests.kernel.balanced import MAPPED_PORT, Balanced, address, endpoint
from tests.kernel.site import CLIENTS, Site, source

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

ALL = {"nat1": 1, "nat2": 1, "nat3": 1}


@pytest.fixture
def balanced(site: Site, tmp_path: Path) -> Iterator[Balanced]:
    found = Balanced(site, tmp_path)
    yield found
    found.close()


def test_a_lost_quorum_is_said_and_what_lives_goes_on_serving(balanced, events) -> None:
    target = balanced.start(ALL, quorum=2, hysteresis=0)
    with balanced.traffic(target) as traffic:
        assert set(traffic.next()) == set(ALL)
        balanced.fail("nat1", "nat2")
        balanced.comes_to(nat1=0, nat2=0, nat3=1)
        assert set(traffic.next()) == {"nat3"}
        assert balanced.running.service()["state"] == "DOWN"
        balanced.heal("nat1", "nat2")
        balanced.comes_to(**ALL)
        assert set(traffic.next()) == set(ALL)
    assert traffic.failed == []
    told = [(event["old"], event["new"]) for event in events("service.state")]
    assert told == [("DOWN", "UP"), ("UP", "DOWN"), ("DOWN", "UP")]


def test_backups_stand_in_and_step_back_without_a_failed_request(balanced, events) -> None:
    backups = [[{"address": address("nat3"), "port": MAPPED_PORT}]]
    target = balanced.start({"nat1": 1, "nat2": 1}, backups=backups, drain_timeout="20s")
    with balanced.traffic(target) as traffic:
        assert set(traffic.next()) == {"nat1", "nat2"}
        balanced.fail("nat1", "nat2")
        wait_for("the backup", lambda: balanced.weights().get("nat3") == 1, 30)
        assert set(traffic.next()) == {"nat3"}
        assert balanced.running.service()["tier"] == 1
        balanced.heal("nat1")
        wait_for("nat1 back", lambda: balanced.weights().get("nat1") == 1, 30)
        assert set(traffic.next()) == {"nat1"}
        balanced.comes_to(nat1=1, nat2=0)
    assert traffic.failed == []
    assert [(event["old"], event["new"]) for event in events("service.tier")] == [(0, 1), (1, 0)]


def test_a_backup_on_the_director_itself_stands_in(balanced) -> None:
    backups = [[{"address": "127.0.0.1", "check": "none"}]]
    target = balanced.start({"nat1": 1}, backups=backups)
    apology = Responder(balanced.site.director, [80])
    try:
        assert balanced.site.client.ask(target) == "nat1"
        balanced.fail("nat1")
        wait_for("the backup", lambda: balanced.running.service()["tier"] == 1, 30)
        wait_for("nat1 out", lambda: balanced.weights()["nat1"] == 0, 30)
        assert set(balanced.site.client.count(target, 4)) == {"lb1"}
    finally:
        apology.close()


def test_in_panic_nobody_is_taken_out_and_everybody_is_served(balanced, events) -> None:
    target = balanced.start(ALL, panic_threshold=60)
    with balanced.traffic(target) as traffic:
        balanced.fail(*ALL)
        wait_for("panic", lambda: balanced.running.service()["panic"], 30)
        balanced.comes_to(**ALL)
        assert set(traffic.next()) == set(ALL)
        assert balanced.running.status()["suspect"]
        balanced.heal("nat1", "nat2")
        balanced.comes_to(nat1=1, nat2=1, nat3=0)
        assert set(traffic.next()) == {"nat1", "nat2"}
    assert traffic.failed == []
    assert [event["panic"] for event in events("service.panic")] == [True, False]
    assert len(events("director.suspect")) == 1


def test_a_drained_server_ends_its_conversation_and_takes_no_other(balanced, events) -> None:
    target = balanced.start(ALL)
    held = balanced.site.client.hold(target)
    server = held.ask()
    with balanced.traffic(target) as traffic:
        balanced.running.order("drain", endpoint(server))
        wait_for("weight 0", lambda: balanced.weights().get(server) == 0, 30)
        assert set(traffic.next(24)) == set(ALL) - {server}
        assert held.ask() == server
        held.close()
        wait_for("out", lambda: server not in balanced.weights(), 30)
        balanced.running.order("enable", endpoint(server))
        balanced.comes_to(**ALL)
        assert set(traffic.next()) == set(ALL)
    assert traffic.failed == []
    assert [event["server"] for event in events("server.drained")] == [endpoint(server)]


def test_a_drain_is_over_at_its_deadline_and_outlives_the_director(balanced) -> None:
    target = balanced.start(ALL, drain_timeout="8s")
    held = balanced.site.client.hold(target)
    server = held.ask()
    balanced.running.order("drain", endpoint(server))
    wait_for("weight 0", lambda: balanced.weights().get(server) == 0, 30)
    began, vip = time.monotonic(), balanced.vip
    balanced.stop()
    balanced.start(ALL, vip=vip, drain_timeout="8s")
    if time.monotonic() - began < 6:
        assert balanced.weights()[server] == 0
        assert held.ask() == server
    wait_for("out", lambda: server not in balanced.weights(), 30)
    assert time.monotonic() - began > 6
    held.close()


def test_a_server_taken_out_of_the_file_ends_what_it_has(balanced, events) -> None:
    target = balanced.start(ALL)
    held = balanced.site.client.hold(target)
    server = held.ask()
    kept = {name: weight for name, weight in ALL.items() if name != server}
    with balanced.traffic(target) as traffic:
        balanced.reload(kept)
        assert balanced.weights() == {**kept, server: 0}
        assert set(traffic.next()) == set(kept)
        assert held.ask() == server
        held.close()
        balanced.comes_to(**kept)
    assert traffic.failed == []
    assert events("ipvs.drift") == []


def test_a_server_that_comes_back_gets_its_share_little_by_little(balanced) -> None:
    target = balanced.start(
        {"nat1": 100, "nat2": 100}, scheduler="wrr", slow_start="10s", on_failure="quiesce"
    )
    with balanced.traffic(target) as traffic:
        balanced.fail("nat1")
        balanced.comes_to(nat1=0, nat2=100)
        balanced.heal("nat1")
        seen = [wait_for("nat1 back", lambda: balanced.weights()["nat1"], 30)]
        early = Counter(traffic.next(24))
        while seen[-1] < 100:
            seen.append(balanced.weights()["nat1"])
        late = Counter(traffic.next(24))
    assert traffic.failed == []
    assert seen[0] < 50
    assert seen == sorted(seen)
    assert len(set(seen)) > 5
    assert early["nat1"] < late["nat1"]
    assert abs(late["nat1"] - late["nat2"]) <= 4


def test_a_weight_an_operator_gives_is_the_kernels(balanced) -> None:
    balanced.start(ALL)
    balanced.running.order("weight", endpoint("nat2"), "7")
    balanced.comes_to(nat1=1, nat2=7, nat3=1)
    wait_for(
        "shown",
        lambda: balanced.running.service()["real_servers"][1]["effective_weight"] == 7,
        10,
    )


def test_a_service_bound_to_the_master_is_served_only_there(balanced) -> None:
    balanced.start(ALL)
    plan_of_master = _bound(balanced)
    balanced.running.configure(plan_of_master)
    assert balanced.weights() == ALL
    balanced.running.tell(_router("BACKUP"))
    wait_for("out of the table", lambda: balanced.weights() == {}, 30)
    balanced.running.tell(_router("MASTER"))
    balanced.comes_to(**ALL)


def test_mh_sends_clients_alike_whether_a_director_saw_a_server_die_or_never_alive(
    balanced,
) -> None:
    """And nobody whose server lives is moved when another dies and returns."""
    keys = {"scheduler": "mh", "scheduler_flags": ["mh-fallback"], "on_failure": "quiesce"}
    target = balanced.start(ALL, **keys)
    whole = _by_client(balanced, target)
    balanced.fail("nat2")
    balanced.comes_to(nat1=1, nat2=0, nat3=1)
    saw_it_die = _by_client(balanced, target)
    assert {c: s for c, s in saw_it_die.items() if whole[c] != "nat2"} == {
        c: s for c, s in whole.items() if s != "nat2"
    }
    vip = balanced.vip
    balanced.stop()
    balanced.site.forget()
    balanced.start(ALL, vip=vip, **keys)
    assert balanced.weights() == {"nat1": 1, "nat2": 0, "nat3": 1}
    assert _by_client(balanced, target) == saw_it_die
    balanced.heal("nat2")
    balanced.comes_to(**ALL)
    assert _by_client(balanced, target) == whole


def _by_client(balanced: Balanced, target) -> dict[int, str]:
    return {client: balanced.site.client.ask(target, source(client)) for client in CLIENTS}


def _router(state: str) -> VrrpStatus:
    return VrrpStatus((RouterStatus("web", 51, "eth0", state, 100, 100, None, 0.0, ()),))


def _bound(balanced: Balanced):
    """The plan in force, its service bound to router `web`."""
    plan = balanced.plan
    return replace(plan, services=tuple(replace(each, router="web") for each in plan.services))
