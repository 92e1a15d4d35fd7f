"""`lvsha realserver up|down|check|run`: this machine as a real server."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from pathlib import Path

import click

from lvsha.cli.plans import cluster_name, read_cluster
from lvsha.config.resolve import resolve_real_server
from lvsha.core.types import Address
from lvsha.errors import UsageError
from lvsha.realserver import agent
from lvsha.realserver.machine import Machine, this_machine
from lvsha.runtime import logs
from lvsha.runtime.control import RUNTIME_ROOT


async def run_verb(
    verb: str, file: Path | None, runtime_dir: Path | None, address: str | None
) -> int:
    """Carry out one verb; its exit code. Raises LvshaError."""
    if verb == "down":  # the way back needs no file, where the directory is known
        directory = runtime_dir or RUNTIME_ROOT / cluster_name(file)
        async with this_machine(writing=True) as machine:
            return _print(await agent.down(machine, directory))
    cluster = read_cluster(file)
    directory = runtime_dir or RUNTIME_ROOT / cluster.name
    asked = _parse(address) if address is not None else None
    async with this_machine(writing=verb != "check") as machine:
        plan = resolve_real_server(cluster, asked, await _own_addresses(machine))
        if verb == "up":
            return _print(await agent.up(plan, machine, directory))
        if verb == "check":
            return 3 if _print(await agent.check(plan, machine, directory), count=True) else 0
        listener = logs.start({"cluster": cluster.name, "node": socket.gethostname()})
        try:
            await agent.run(plan, machine, directory)
        finally:
            listener.stop()
    return 0


def _parse(text: str) -> Address:
    try:
        return ip_address(text)
    except ValueError:
        raise UsageError(f"--address: {text!r} is not an IP address") from None


async def _own_addresses(machine: Machine) -> list[Address]:
    found = []
    for _, name in socket.if_nameindex():
        found += [address.ip for address in await machine.addresses.addresses(name)]
    return found


def _print(lines: tuple[str, ...], *, count: bool = False) -> int:
    """Print each line; 0, or how many there were."""
    for line in lines:
        click.echo(line)
    return len(lines) if count else 0
