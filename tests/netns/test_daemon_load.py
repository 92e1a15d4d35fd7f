"""A node that watches much: its advertisements come in time all the same."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest

from tests.netns.capture import captured
from tests.netns.pair import HEAD, eventually, one_master, router, site

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]

LB1 = 150
INTERVAL = 0.2
SCRIPTS = 8
RUNS = 25 * SCRIPTS
"""Two seconds and a half where nothing else is to be done."""

COUNTED = "'echo >>FOLDER/NODE.runs; exit 0'"


def scripts(number: int) -> str:
    """Distinct ones: the same script is run once for all who track it."""
    words = f"[/bin/sh, -c, {COUNTED}, '{number}']"
    return f"{{script: {{exec: {words}, interval: 100ms, timeout: 100ms}}, weight: 1}}"


TRACKS = [
    *map(scripts, range(SCRIPTS)),
    "{file: FOLDER/NODE.number, weight: -1}",
    "{process: no-such-process, weight: 2}",
    "{route: 10.77.0.0/16, weight: 3}",
    "{interface: eth0}",
]
FILE = HEAD + "".join(
    router(name, number, f"track: [{', '.join(TRACKS)}]", interval="200ms")
    for number, name in enumerate(("web", "mail"), start=1)
)


def test_scripts_ten_times_a_second_cost_no_mastership():
    """No gap of three intervals: that would be a fail-over. And what is tracked keeps changing."""
    with site() as place, captured(place.lab.namespaces["front"]) as capture:
        for node in place.nodes:
            runs = node.folder / f"{node.machine.name}.runs"
            runs.touch()
            runs.chmod(0o666)
        place.start(FILE)
        lb1, lb2 = place.pair
        for name in ("web", "mail"):
            one_master(name, lb1, lb2)
        ran = place.folder / "lb1.runs"
        eventually("scripts run", lambda: len(ran.read_text()) > SCRIPTS)
        since = [lb1.router(name)["since"] for name in ("web", "mail")]
        began, before = time.time(), len(ran.read_text())
        number = place.folder / "lb1.number"
        while (runs := len(ran.read_text()) - before) < RUNS:
            number.write_text(str(runs % 20))
            time.sleep(0.05)
        assert [lb1.router(name)["since"] for name in ("web", "mail")] == since
        assert {lb2.state(name) for name in ("web", "mail")} == {"BACKUP"}
        heard = capture.since(began)
        assert {each.source for each in heard} == {"192.168.1.11"}
        for router_id in (1, 2):
            times = [each.at for each in heard if each.virtual_router_id == router_id]
            assert max(b - a for a, b in pairwise(times)) < 3 * INTERVAL
        assert len({each.priority for each in heard}) > 5
