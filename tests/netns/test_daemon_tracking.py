"""What a router tracks, between two directors: each thing makes the peer take over, and no fault
outlives its cause.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.netns.pair import HEAD, Node, Site, eventually, one_master, router, site, vip

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]

SCRIPT = "exec: [/bin/sh, FOLDER/NODE.sh], interval: 200ms, timeout: 150ms, rise: 1, fall: 2"
TRACKED = {
    "link": "interface: eth1",
    "link_weight": "interface: eth1, weight: 100",
    "script": f"script: {{{SCRIPT}}}",
    "script_weight": f"script: {{{SCRIPT}}}, weight: -100",
    "file": "file: FOLDER/NODE.hold",
    "file_weight": "file: FOLDER/NODE.number, weight: -1",
    "process": "process: watched-NODE",
    "process_weight": "process: watched-NODE, weight: -100",
    "route": "route: 10.77.0.0/16",
    "route_weight": "route: 10.77.0.0/16, weight: -100",
}
FILE = HEAD + "".join(
    router(name, number, f"track: [{{{target}}}]")
    for number, (name, target) in enumerate(TRACKED.items(), start=1)
)
ROUTE = "route {} 10.77.0.0/16 via 192.168.1.1"


@dataclass
class Fault:
    """What goes wrong on a node, and what its routers then say. `weight` is what it then costs."""

    kind: str
    words: str
    weight: int = 100
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def begin(self, node: Node) -> None:
        folder, name = node.folder, node.machine.name
        match self.kind:
            case "link":
                node.machine.link(up=False, interface="eth1")
            case "script":
                write_script(node, "exit 3")
            case "file":
                (folder / f"{name}.hold").write_text("1\n")
                (folder / f"{name}.number").write_text("100")
            case "process":
                self.running[name].kill()
                self.running[name].wait()
            case "route":
                node.machine.ip(ROUTE.format("del"))

    def end(self, node: Node) -> None:
        folder, name = node.folder, node.machine.name
        match self.kind:
            case "link":
                node.machine.link(up=True, interface="eth1")
            case "script":
                write_script(node, f"id -un >{folder}/{name}.who; exit 0")
            case "file":
                (folder / f"{name}.hold").unlink(missing_ok=True)
                (folder / f"{name}.number").write_text("0")
            case "process":
                self.running[name] = node.machine.start(str(folder / f"watched-{name}"), "600")
            case "route":
                node.machine.ip(ROUTE.format("add"))


FAULTS = [
    Fault("link", "interface eth1 is down"),
    Fault("script", "script /bin/sh exited with 3"),
    Fault("file", "file FOLDER/NODE.hold says 1"),
    Fault("process", "process watched-NODE is not running"),
    Fault("route", "route 10.77.0.0/16 is missing"),
]


def write_script(node: Node, text: str) -> None:
    """At once: a script is never seen half written."""
    path = node.folder / f"{node.machine.name}.sh"
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(path)


@pytest.fixture(scope="module")
def place() -> Iterator[Site]:
    """Everything tracked is well on both, and lb1 is master of everything."""
    with site(inner=True) as made:
        for node in made.nodes:
            name = node.machine.name
            (made.folder / f"watched-{name}").symlink_to("/bin/sleep")
            (made.folder / f"{name}.who").touch()
            (made.folder / f"{name}.who").chmod(0o666)
            for fault in FAULTS:
                if fault.kind != "link":
                    fault.end(node)
        made.start(FILE)
        for name in TRACKED:
            one_master(name, *made.pair)
        yield made


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.kind)
def test_the_peer_takes_over_and_gives_back_when_the_cause_is_gone(place, fault):
    lb1, lb2 = place.pair
    weighed = f"{fault.kind}_weight"
    words = fault.words.replace("NODE", "lb1").replace("FOLDER", str(place.folder))
    before = lb1.router(weighed)["effective_priority"]
    fault.begin(lb1)
    one_master(fault.kind, lb2, lb1)
    one_master(weighed, lb2, lb1)
    shown = lb1.router(fault.kind)
    assert (shown["state"], shown["faults"], shown["master"]) == ("FAULT", [words], None)
    lowered = lb1.router(weighed)
    assert (lowered["state"], lowered["faults"]) == ("BACKUP", [])
    assert lowered["effective_priority"] == before - fault.weight
    assert lowered["master"] == "192.168.1.12"
    fault.end(lb1)
    one_master(fault.kind, lb1, lb2)
    one_master(weighed, lb1, lb2)
    assert lb1.router(fault.kind)["faults"] == []
    assert lb1.router(weighed)["effective_priority"] == before
    others = [name for name in TRACKED if not name.startswith(fault.kind)]
    assert [name for name in others if lb1.state(name) != "MASTER"] == []
    for name in (fault.kind, weighed):
        address = vip(list(TRACKED).index(name) + 1)
        eventually("one holder", lambda address=address: held(place, address) == [True, False])


def held(place: Site, address: str) -> list[bool]:
    return [node.holds(address) for node in place.nodes]


def test_a_script_runs_as_nobody(place):
    found = place.folder / "lb1.who"
    eventually("who it is", lambda: found.read_text() == "nobody\n")


def test_a_script_that_hangs_beyond_its_deadline_says_nothing_and_trips_nothing(place):
    """It is killed each time; the one before is what is believed, well or ill."""
    lb1, lb2 = place.pair
    since = lb1.router("script")["since"]
    started = place.folder / "lb1.who"
    write_script(lb1, f"echo run >>{started}; exec sleep 50")
    eventually("killed", lambda: lb1.told("vrrp.unknown", target="script /bin/sh"))
    eventually("five runs", lambda: started.read_text().count("run") >= 5)
    assert lb1.router("script")["since"] == since
    write_script(lb1, "exit 1")
    one_master("script", lb2, lb1)
    started.write_text("")
    write_script(lb1, f"echo run >>{started}; exec sleep 50")
    eventually("five more", lambda: started.read_text().count("run") >= 5)
    assert lb1.router("script")["faults"] == ["script /bin/sh exited with 1"]
    FAULTS[1].end(lb1)
    one_master("script", lb1, lb2)
    assert [pid for pid in lb1.machine.processes() if b"sleep\x0050" in command(pid)] == []


def command(pid: int) -> bytes:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""


def test_two_faults_are_two_reasons_and_the_router_serves_when_both_are_gone(place):
    """The interface it lives on, and one it tracks."""
    lb1, lb2 = place.pair
    lb1.machine.link(up=False, interface="eth1")
    eventually("one", lambda: lb1.router("link")["faults"] == ["interface eth1 is down"])
    lb1.machine.link(up=False)
    both = ["interface eth0 is down", "interface eth1 is down"]
    eventually("both", lambda: lb1.router("link")["faults"] == both)
    lb1.machine.link(up=True, interface="eth1")
    eventually("one again", lambda: lb1.router("link")["faults"] == both[:1])
    lb1.machine.link(up=True)
    lb1.machine.ip(ROUTE.format("add"))  # it went with its interface
    for name in TRACKED:
        one_master(name, lb1, lb2)
