"""Memory of the three processes with 1,000 real servers, each checked over HTTP.

Where the kernel has no IPVS the director's table is in its own memory, and counted.
"""

from __future__ import annotations

import time

from bench.figures import Figure, at_most
from bench.processes import memory
from bench.site import SERVERS, site

MEGABYTE = 1e6
SETTLING = 5.0
"""Seconds of checking before anybody looks."""


def figures() -> list[Figure]:
    with site(interval="1s", timeout="900ms") as (node, _, started):
        time.sleep(SETTLING)
        assert node.command("reload").returncode == 0
        status = node.status()
        assert status is not None
        servers = [s for each in status["virtual_services"] for s in each["real_servers"]]
        assert [server["health"] for server in servers] == ["UP"] * SERVERS
        found = {name: memory(pid) for name, pid in status["pids"].items()}
    rss = sum(each.rss for each in found.values()) / MEGABYTE
    pss = sum(each.pss for each in found.values()) / MEGABYTE
    shares = " + ".join(f"{each.rss / MEGABYTE:.0f}" for each in found.values())
    return [
        at_most(f"RSS of all three, {SERVERS:,} checked servers", rss, 150, "{:.0f} MB"),
        Figure(f"  {' + '.join(found)}", f"{shares} MB"),
        Figure("  PSS of all three (shared pages counted once)", f"{pss:.0f} MB"),
        Figure(f"`lvsha run` of {SERVERS:,} servers typed to table in place", f"{started:.2f} s"),
    ]
