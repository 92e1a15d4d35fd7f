"""`lvsha run` end to end, without IPVS: what it says, what it survives, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lvsha.lab.nodes import wait_for
from lvsha.lab.topology import DIRECTOR, FRONT, Lab, Namespace
from tests.netns.daemon import FILE, VIP, Daemon, exchange, is_alive

pytestmark = [pytest.mark.netns, pytest.mark.timeout(90)]


@contextmanager
def one_machine() -> Iterator[Namespace]:
    with Lab() as lab:
        (director,) = lab.add("lb1")
        lab.bridge(FRONT)
        lab.plug(FRONT, [(director, DIRECTOR)])
        yield director


@pytest.fixture
def machine() -> Iterator[Namespace]:
    with one_machine() as director:
        yield director


@pytest.fixture(scope="module")
def standing(tmp_path_factory) -> Iterator[Daemon]:
    """One for all tests that only ask."""
    with one_machine() as director:
        made = Daemon(director, tmp_path_factory.mktemp("standing"))
        made.start_and_wait()
        yield made


@pytest.fixture
def daemon(machine, tmp_path) -> Daemon:
    made = Daemon(machine, tmp_path)
    made.start_and_wait()
    return made


def test_status_has_the_contracts_shape(standing):
    done = standing.command("status", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    pids = found["pids"]
    assert set(pids) == {"supervisor", "vrrp", "director"}
    assert all(is_alive(pid) for pid in pids.values())
    (router,) = found["virtual_routers"]
    assert {key: router[key] for key in ("name", "virtual_router_id", "interface", "state")} == {
        "name": "web",
        "virtual_router_id": 51,
        "interface": "eth0",
        "state": "MASTER",
    }
    assert (router["priority"], router["effective_priority"]) == (150, 150)
    assert (router["master"], router["faults"]) == ("192.168.1.11", [])
    assert router["addresses"] == ["192.168.1.100/32"]
    assert router["since"].endswith("Z")
    whole = {key: found[key] for key in ("cluster", "node", "generation", "ready")}
    assert whole == {"cluster": "web", "node": "lb1", "generation": 1, "ready": True}
    assert found["virtual_services"] == []


def test_every_log_line_is_json_that_begins_alike(daemon):
    assert daemon.stop() == 0
    for line in daemon.lines():
        assert list(line)[:5] == ["ts", "level", "event", "cluster", "node"]
        assert (line["cluster"], line["node"]) == ("web", "lb1")
    names = [name for name in daemon.names() if name != "vrrp.ordinary"]  # in a container
    assert names == ["daemon.started", *["vrrp.state"] * 3, "daemon.stopped"]


def test_metrics_parse_and_have_no_label_but_the_three(standing):
    status, kind, body = standing.ask("GET", "/metrics")
    assert (status, kind) == (200, "text/plain")
    families = list(text_string_to_metric_families(body.decode()))
    samples = [sample for family in families for sample in family.samples]
    assert all(sample.name.startswith("lvsha_") for sample in samples)
    assert {label for sample in samples for label in sample.labels} <= {
        "service",
        "server",
        "router",
    }
    values = {sample.name: sample.value for sample in samples}
    assert values["lvsha_router_master"] == 1
    assert values["lvsha_config_reload_ok"] == 1


def test_the_control_socket_is_roots_and_answers_in_json(standing):
    assert (standing.runtime_dir / "control.sock").stat().st_mode & 0o777 == 0o600
    assert standing.ask("GET", "/healthz") == (200, "application/json", b'{"ready": true}')
    assert standing.ask("GET", "/nowhere") == (
        404,
        "application/json",
        b'{"error": "GET /nowhere: not found"}',
    )
    assert standing.ask("POST", "/status")[0] == 405


def test_a_bad_file_changes_nothing_and_says_the_same_as_check(daemon):
    daemon.file.write_text(FILE.replace("priority: 150", "priority: 1500").replace("51", "0"))
    checked = daemon.command("check")
    done = daemon.command("reload")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", checked.stderr)
    daemon.signal(signal.SIGHUP)
    daemon.has_said("config.rejected", 2)
    mistakes = checked.stderr.splitlines()
    assert len(mistakes) == 2
    assert [each["mistakes"] for each in daemon.events("config.rejected")] == [mistakes] * 2
    assert daemon.status()["generation"] == 1
    assert b"lvsha_config_reload_ok 0\n" in daemon.ask("GET", "/metrics")[2]


def test_a_good_file_is_taken_by_command_and_by_signal(daemon):
    daemon.file.write_text(FILE.replace("priority: 150", "priority: 151"))
    done = daemon.command("reload")
    assert (done.returncode, done.stdout, done.stderr) == (0, "generation 2 is in force\n", "")
    wait_for("151", lambda: daemon.status()["virtual_routers"][0]["priority"] == 151, 10)
    daemon.signal(signal.SIGHUP)
    daemon.signal(signal.SIGHUP)
    daemon.has_said("config.reloaded", 2)
    assert daemon.router() == "MASTER"


def test_what_this_machine_can_not_do_is_no_plan_to_take(daemon):
    daemon.file.write_text(
        FILE + "  - {name: b, virtual_router_id: 9, interface: no0, "
        "addresses: [192.168.1.101/32]}\n"
    )
    done = daemon.command("reload")
    line = "lvsha: interface no0 of virtual router b does not exist on this machine\n"
    assert (done.returncode, done.stderr) == (1, line)
    daemon.file.write_text(FILE.replace("cluster: web", "cluster: other"))
    done = daemon.command("reload")
    line = f"lvsha: {daemon.file}: the cluster is called other, but web is running: restart it\n"
    assert (done.returncode, done.stderr) == (2, line)


def test_another_nodes_daemon_is_not_asked(standing):
    done = standing.command("status", "--node", "lb2")
    line = f"lvsha: the daemon on {standing.runtime_dir} is node 'lb1', not 'lb2'\n"
    assert (done.returncode, done.stderr) == (2, line)


def test_a_second_daemon_is_refused_with_the_firsts_process(standing):
    done = standing.command("run")
    holder = standing.pids()["supervisor"]
    line = f"lvsha: a daemon is already running on {standing.runtime_dir} (process {holder})\n"
    assert (done.returncode, done.stderr) == (1, line)


def test_sigterm_ends_it_in_order(daemon):
    assert daemon.stop() == 0
    assert not daemon.has(VIP)
    assert daemon.names()[-2:] == ["vrrp.state", "daemon.stopped"]


@pytest.mark.parametrize("delay", [0.0, 0.2, 0.6])
def test_sigterm_while_it_starts_ends_it_in_order(machine, tmp_path, delay):
    daemon = Daemon(machine, tmp_path)
    daemon.start()
    wait_for("the lock", (daemon.runtime_dir / "lock").exists, 10)
    time.sleep(delay)
    assert daemon.stop() == 0
    assert not daemon.has(VIP)
    assert machine.processes() == []


@pytest.mark.parametrize("child", ["vrrp", "director"])
def test_a_killed_child_is_logged_and_started_again(daemon, child):
    old = daemon.pids()
    os.kill(old[child], signal.SIGKILL)
    daemon.has_said("child.died")
    wait_for("another one", lambda: _new_pid(daemon, child) not in (None, 0, old[child]), 20)
    daemon.is_master()
    (died,) = daemon.events("child.died")
    assert (died["process"], died["reason"]) == (child, "killed by SIGKILL")
    assert {name: pid for name, pid in daemon.pids().items() if name != child} == {
        name: pid for name, pid in old.items() if name != child
    }


def _new_pid(daemon: Daemon, child: str) -> int | None:
    found = daemon.status()
    return found["pids"][child] if found else None


def test_a_router_without_its_process_is_in_fault(daemon):
    """What the dead process said last must not stand there as if it were so."""
    pid = daemon.pids()["vrrp"]
    seen = []
    os.kill(pid, signal.SIGKILL)

    def look() -> bool:
        found = daemon.status()
        seen.append((found["virtual_routers"][0]["state"], found["pids"]["vrrp"]))
        return seen[-1][1] not in (pid, 0)

    wait_for("a new vrrp process", look, 20)
    assert ("FAULT", 0) in seen or not any(state == "MASTER" for state, now in seen if now != pid)


def test_children_of_a_killed_supervisor_end_and_give_the_address_up(daemon):
    children = [daemon.pids()[name] for name in ("vrrp", "director")]
    daemon.signal(signal.SIGKILL)
    wait_for("the children's end", lambda: not any(map(is_alive, children)), 10)
    assert not daemon.has(VIP)


def test_after_a_kill_the_next_one_starts_at_once(daemon):
    daemon.signal(signal.SIGKILL)
    daemon.wait()
    daemon.start_and_wait()
    assert daemon.stop() == 0


@pytest.mark.parametrize("child", ["vrrp", "director"])
def test_a_stopped_child_does_not_hold_the_end_up_nor_keep_the_address(daemon, child):
    os.kill(daemon.pids()[child], signal.SIGSTOP)
    assert daemon.stop() == 0
    assert [line["process"] for line in daemon.events("child.killed")] == [child]
    assert not daemon.has(VIP)
    assert daemon.machine.processes() == []


def test_garbage_on_the_control_socket_never_reaches_the_log_as_a_traceback(standing):
    for text in (b"\0\0\0\0\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"POST /reload HTTP/1.1\r\n"):
        with socket.socket(socket.AF_UNIX) as rude:
            rude.connect(str(standing.runtime_dir / "control.sock"))
            rude.send(text)
    assert standing.ask("GET", "/healthz")[0] == 200
    standing.lines()


def test_the_tcp_listener_reads_only_and_a_taken_address_is_no_death(machine, tmp_path):
    daemon = Daemon(machine, tmp_path)
    with machine.entered():
        taken = socket.create_server(("127.0.0.1", 9817))
    daemon.file.write_text(FILE + "api: {listen: 127.0.0.1:9817}\n")
    daemon.start_and_wait()
    daemon.has_said("api.failed")
    (failed,) = daemon.events("api.failed")
    assert failed["what"] == "api.listen"
    assert "address already in use" in failed["error"]
    taken.close()
    wait_for("the listener", lambda: _answers(machine), 15)
    with machine.entered():
        answer = exchange(socket.AF_INET, ("127.0.0.1", 9817), "POST", "/reload")
    assert answer == (403, "application/json", b'{"error": "this listener is read-only"}')
    assert daemon.status()["generation"] == 1


def _answers(machine: Namespace) -> bool:
    try:
        with machine.entered():
            return exchange(socket.AF_INET, ("127.0.0.1", 9817), "GET", "/status")[0] == 200
    except ConnectionRefusedError:
        return False


def test_systemd_is_told_of_readiness_reloads_life_and_end(machine, tmp_path):
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        systemd.settimeout(20)
        daemon = Daemon(machine, tmp_path, NOTIFY_SOCKET=path, WATCHDOG_USEC="200000")
        daemon.start()
        _hear(systemd, "READY=1\nSTATUS=generation 1 in force")
        _hear(systemd, "WATCHDOG=1")
        daemon.signal(signal.SIGHUP)
        told = _hear(systemd, "RELOADING=1")
        usec = int(told.split("MONOTONIC_USEC=")[1])
        assert 0 <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000 - usec < 20_000_000
        _hear(systemd, "READY=1\nSTATUS=generation 2 in force")
        daemon.signal(signal.SIGTERM)
        _hear(systemd, "STOPPING=1")
        assert daemon.wait() == 0


def _hear(systemd: socket.socket, beginning: str) -> str:
    while not (told := systemd.recv(1000).decode()).startswith(beginning):
        continue
    return told


def test_on_a_terminal_the_log_is_text_for_people(machine, tmp_path):
    daemon = Daemon(machine, tmp_path)
    master, slave = os.openpty()
    daemon.start(stderr=slave)
    os.close(slave)
    daemon.is_master()
    assert daemon.stop() == 0
    text = os.read(master, 65536).decode()
    os.close(master)
    lines = text.splitlines()
    assert " info    daemon.started     version=" in lines[0]
    assert lines[-1].endswith(" info    daemon.stopped")


def test_a_reader_of_the_log_that_stands_still_holds_nothing_up(machine, tmp_path):
    """The pipe is full and nobody reads: it starts, becomes master, and ends."""
    daemon = Daemon(machine, tmp_path)
    read, write = os.pipe()
    os.set_blocking(write, False)
    with suppress(BlockingIOError):
        while os.write(write, b"x" * 4096):
            continue
    os.set_blocking(write, True)
    daemon.start(stderr=write)
    daemon.is_master()
    assert daemon.stop() == 0
    assert not daemon.has(VIP)
    os.close(read)
    os.close(write)
