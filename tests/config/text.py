"""Cluster files for tests: as short as a valid one can be, to be added to."""

from __future__ import annotations

from textwrap import dedent

from lvsha.config.reader import parse
from lvsha.config.resolve import Cluster, understand

HEAD = """\
cluster: web
nodes:
  lb1: {address: 192.168.1.11, interface: eth0, priority: 150}
  lb2: {address: 192.168.1.12, interface: ens3, priority: 100}
"""


def cluster(rest: str, head: str = HEAD) -> Cluster:
    """The cluster of a head and an indented rest. Raises ConfigError."""
    return understand(parse(head + dedent(rest), "web.yaml"))


def service(*lines: str, servers: str = "[192.168.1.21]", address: str = "192.168.1.100") -> str:
    """`virtual_services` with one dr service on port 80 and these further lines."""
    own = ["name: http", f"address: {address}", "port: 80", "forwarding: dr"]
    keys = "\n".join(f"    {line}" for line in (*own, *lines, f"real_servers: {servers}"))
    return f"virtual_services:\n  -\n{keys}\n"


def router(*lines: str, addresses: str = "[192.168.1.100]") -> str:
    """`virtual_routers` with one of id 51 and these further lines."""
    own = ["name: web", "virtual_router_id: 51", f"addresses: {addresses}"]
    keys = "\n".join(f"    {line}" for line in (*own, *lines))
    return f"virtual_routers:\n  -\n{keys}\n"
