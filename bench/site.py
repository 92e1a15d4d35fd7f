"""`lvsha run` in a lab of this machine: real servers, checked, behind one virtual router."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from unittest import mock

from bench import clusters
from bench.responding import responder
from lvsha.lab import nodes
from lvsha.lab.nodes import DirectorNode, wait_for
from lvsha.lab.topology import CLIENT, DIRECTOR, FRONT, Lab, Namespace

SERVERS = 1_000


@contextmanager
def site(
    interval: str, timeout: str, *beside: str, servers: int = SERVERS
) -> Iterator[tuple[DirectorNode, tuple[Namespace, ...], float]]:
    """The node once it is MASTER and every server is UP, machines beside it by these names, and
    the seconds from the command to the table."""
    with (
        Lab() as lab,
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(nodes, "LVSHA", (sys.executable, "-m", "bench.daemon")),
    ):
        machine, *others = lab.add("lb1", *beside)
        lab.bridge(FRONT)
        lab.plug(FRONT, [(machine, DIRECTOR), *zip(others, count(CLIENT))])
        node = DirectorNode(machine, Path(folder, "bench.yaml"), Path(folder))
        node.file.write_text(clusters.checked(servers, interval, timeout))
        with responder(servers, machine.command([])):
            began = time.monotonic()
            node.start()
            wait_for("a table", lambda: node.events("ipvs.applied"))
            started = time.monotonic() - began
            wait_for("MASTER and all UP", lambda: _is_settled(node))
            yield node, tuple(others), started
            assert node.stop() == 0


def _is_settled(node: DirectorNode) -> bool:
    status = node.status()
    routers = status["virtual_routers"] if status else []
    return bool(status and status["ready"] and routers and routers[0]["state"] == "MASTER")
