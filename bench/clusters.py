"""Cluster files of any size, and the same tables as ipvsadm's rules, each written on its own."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

EACH = 10
"""Real servers in a service."""

VIP = 0xAC100000  # 172.16.0.0
SERVER = 0x0A010000  # 10.1.0.0
FIRST_PORT = 20_000
NODE = "lb1"

HEAD = """\
cluster: bench
nodes: {lb1: {address: 192.168.1.11, interface: eth0}}
sysctls: {}
"""


def unchecked(count: int) -> str:
    """A file of `count` real servers, all always up, EACH to a service."""
    defaults = "defaults: {forwarding: dr, check: none}\nvirtual_services:\n"
    return HEAD + defaults + "".join(_service(address, members) for address, members in of(count))


def rules(count: int) -> str:
    """The table `unchecked(count)` asks for, as ipvsadm-restore reads it."""
    lines = []
    for address, members in of(count):
        lines.append(f"-A -t {address}:80 -s wlc\n")
        lines += [f"-a -t {address}:80 -r {server}:80 -g -w 1\n" for server in members]
    return "".join(lines)


def of(count: int) -> Iterator[tuple[IPv4Address, list[IPv4Address]]]:
    """Services' addresses, each with its real servers'."""
    for index in range(0, count, EACH):
        members = range(index, min(index + EACH, count))
        yield IPv4Address(VIP + index // EACH), [IPv4Address(SERVER + n) for n in members]


def _service(address: IPv4Address, members: list[IPv4Address]) -> str:
    listed = ", ".join(map(str, members))
    return (
        f"  - {{name: s{int(address) - VIP}, address: {address}, port: 80, "
        f"real_servers: [{listed}]}}\n"
    )


def checked(count: int, interval: str, timeout: str, weight: int = 1) -> str:
    """A file with a virtual router and `count` real servers, each checked at a loopback port of
    its own, from FIRST_PORT on."""
    check = f"{{type: http, address: 127.0.0.1, interval: {interval}, timeout: {timeout}}}"
    lines = [
        HEAD.replace("interface: eth0}", "interface: eth0, priority: 150}"),
        "virtual_routers:\n  - {name: web, virtual_router_id: 51, advertisement_interval: 100ms, "
        "addresses: [192.168.1.100/32]}\n",
        f"defaults: {{forwarding: dr, check: {check}}}\nvirtual_services:\n",
    ]
    for index, (_, members) in enumerate(of(count)):
        lines.append(
            f"  - name: s{index}\n    address: 192.168.1.100\n    port: {8000 + index}\n"
            "    real_servers:\n"
        )
        lines += [
            f"      - {{address: {member}, weight: {weight}, "
            f"check: {{type: http, port: {FIRST_PORT + int(member) - SERVER}}}}}\n"
            for member in members
        ]
    return "".join(lines)
