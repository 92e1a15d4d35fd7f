"""A virtual service's health in the election, between two directors on the real kernel."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.netns.pair import HEAD, Site, eventually, one_master, router, site, vip

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(180)]

FILE = (
    HEAD
    + router("fault", 1, "track: [{service: http}]", interval="500ms")
    + router("weight", 2, "track: [{service: http, weight: -100}]", interval="500ms")
    + f"""\
virtual_services:
  - name: http
    address: {vip(1)}
    port: 80
    forwarding: nat
    check: {{type: file, path: FOLDER/NODE.down, interval: 1s, timeout: 1s, rise: 1, fall: 1}}
    real_servers: [192.168.1.21]
"""
)


@pytest.fixture(scope="module")
def place() -> Iterator[Site]:
    """The service is up on both, and lb1 is master of both routers."""
    with site() as made:
        for node in made.nodes:
            serve(node, well=True)
        made.start(FILE)
        for name in ("fault", "weight"):
            one_master(name, *made.pair)
        eventually("up", lambda: all(is_up(node) for node in made.nodes))
        yield made


def serve(node, *, well: bool) -> None:
    path = node.folder / f"{node.machine.name}.down"
    path.with_suffix(".new").write_text("0" if well else "1")
    path.with_suffix(".new").rename(path)


def is_up(node) -> bool:
    found = node.status()
    return bool(found and found["virtual_services"][0]["state"] == "UP")


def test_where_the_service_is_down_the_peer_takes_over_until_it_is_up(place):
    lb1, lb2 = place.pair
    serve(lb1, well=False)
    one_master("fault", lb2, lb1)
    one_master("weight", lb2, lb1)
    shown = lb1.router("fault")
    assert (shown["state"], shown["faults"]) == ("FAULT", ["service http is down"])
    lowered = lb1.router("weight")
    assert (lowered["state"], lowered["effective_priority"]) == ("BACKUP", 50)
    serve(lb1, well=True)
    one_master("fault", lb1, lb2)
    one_master("weight", lb1, lb2)
    assert lb1.router("fault")["faults"] == []
    assert lb1.router("weight")["effective_priority"] == 150


@pytest.mark.long
def test_a_director_that_dies_takes_neither_the_mastership_nor_the_fault_along(place):
    """What it said last holds until the next one has found out more."""
    lb1, lb2 = place.pair
    since = [lb1.router(name)["since"] for name in ("fault", "weight")]
    kill_director(lb1)
    assert [lb1.router(name)["since"] for name in ("fault", "weight")] == since
    serve(lb1, well=False)
    one_master("fault", lb2, lb1)
    gone = lb1.router("fault")["since"]
    kill_director(lb1)
    assert (lb1.router("fault")["since"], lb1.state("fault")) == (gone, "FAULT")
    serve(lb1, well=True)
    one_master("fault", lb1, lb2)
    one_master("weight", lb1, lb2)


def kill_director(node) -> None:
    """And wait for its successor's first verdict."""
    pid = node.pids()["director"]
    os.kill(pid, signal.SIGKILL)
    eventually("another", lambda: node.pids().get("director") not in (None, 0, pid))
    eventually("it has judged", lambda: (node.status() or {}).get("ready"))


@pytest.mark.long
def test_a_daemon_that_starts_with_its_service_down_leaves_it_to_the_peer(place):
    lb1, lb2 = place.pair
    serve(lb1, well=False)
    lb1.kill_processes()
    one_master("fault", lb2)
    lb1.start()
    eventually("fault", lambda: lb1.router("fault").get("faults") == ["service http is down"])
    one_master("weight", lb2, lb1)
    serve(lb1, well=True)
    one_master("fault", lb1, lb2)
    one_master("weight", lb1, lb2)
