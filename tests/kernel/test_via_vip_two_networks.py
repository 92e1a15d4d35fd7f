"""Checks via vip where the servers are on another network than the virtual address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lvsha.config.resolve import resolve
from lvsha.kernel.modules import load_ipvs
from lvsha.lab.nodes import wait_for
from lvsha.lab.topology import Namespace
from tests.kernel.balanced import InProcess
from tests.kernel.file import cluster_file
from tests.kernel.site import MAPPED_PORT, PORT, VIP4, Site, servers

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(120)]

CHECK = {"interval": "300ms", "timeout": "250ms", "rise": 1, "fall": 2}


@contextmanager
def carrying(machine: Namespace) -> Iterator[None]:
    """The virtual address on a server's loopback, and no ARP for it."""
    machine.sysctl("net.ipv4.conf.all.arp_ignore", 1)
    machine.ip(f"address add {VIP4}/32 dev lo")
    yield
    machine.ip(f"address delete {VIP4}/32 dev lo")
    machine.sysctl("net.ipv4.conf.all.arp_ignore", 0)


def message(director: InProcess) -> str:
    (server,) = director.service()["real_servers"]
    return f"{server['health']} {server['message']}"


def test_a_master_hears_servers_by_the_device_their_check_names(site: Site, tmp_path: Path):
    server, *_ = servers("nat")
    way = {"via": "vip", "device": "eth1", "port": MAPPED_PORT}
    check = {"type": "http", **way, **CHECK}
    file = cluster_file({server: 1}, port=PORT, address=str(VIP4), forwarding="dr", check=check)
    load_ipvs(["rr", "wlc"])
    director = InProcess(site.director, tmp_path)
    try:
        with carrying(site.machines["nat1"]):
            director.configure(resolve(file, "lb1").director)
            up = "UP HTTP 200 at the virtual address in "
            wait_for("the server UP", lambda: message(director).startswith(up), 15)
        down = f"DOWN no answer at the virtual address {VIP4}:{MAPPED_PORT} by way of this server"
        wait_for("the server DOWN", lambda: message(director).startswith(down), 15)
    finally:
        director.stop()
