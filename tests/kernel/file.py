"""A cluster file with one service, as the operator would write it, read back by lvsha."""

from __future__ import annotations

import json
from collections.abc import Mapping

from lvsha.config.reader import parse
from lvsha.config.resolve import Cluster, understand

HEAD = """\
cluster: lab
nodes:
  lb1: {address: 192.168.1.11, interface: eth0}
virtual_services:
  - name: service
"""


def cluster_file(servers: Mapping[str, int], *, port: int, **service: object) -> Cluster:
    """`servers` are weights by address, all at `port`; `service` is the service's own keys.

    A service by firewall mark takes every port as it comes.
    """
    by_mark = "fwmark" in service
    where = {} if by_mark else {"port": port}
    listed = [
        {"address": address, "weight": weight, **where} for address, weight in servers.items()
    ]
    defaults = {"check": "none"} if by_mark else {"check": "none", "port": 80}
    keys = {**defaults, **service, "real_servers": listed}
    text = HEAD + "".join(f"    {key}: {json.dumps(value)}\n" for key, value in keys.items())
    return understand(parse(text, "lab.yaml"))
