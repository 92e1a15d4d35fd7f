"""/proc/net/ip_vs_conn → ipvsadm's list of connections.

The kernel writes IPv4 addresses and all ports in hexadecimal, IPv6 addresses in full. Times are
seconds until a connection is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import NamedTuple

from lvsha.core.ipvsadm.names import Names, address_port
from lvsha.core.types import Address, Protocol

_PROTOCOLS = {protocol.name: protocol for protocol in Protocol}


class Connection(NamedTuple):
    """One line of the kernel's. `protocol` and `state` are its own words."""

    protocol: str
    client: tuple[Address, int]
    virtual: tuple[Address, int]
    destination: tuple[Address, int]
    state: str
    expires: int
    persistence_engine: str | None = None
    engine_data: str | None = None


def read_connection(line: str) -> Connection:
    """One line but the first of /proc/net/ip_vs_conn. ValueError where it is none."""
    fields = line.split()
    if len(fields) < 9:
        raise ValueError(f"connection of {len(fields)} fields: {line.rstrip()}")
    protocol, client, client_port, virtual, virtual_port, server, server_port, state, expires = (
        fields[:9]
    )
    engine = fields[9:11] if len(fields) >= 11 else (None, None)
    return Connection(
        protocol,
        (_address(client), int(client_port, 16)),
        (_address(virtual), int(virtual_port, 16)),
        (_address(server), int(server_port, 16)),
        state,
        int(expires),
        *engine,
    )


def connection_lines(
    connections: Iterable[Connection], names: Names, *, persistent: bool
) -> Iterator[str]:
    """Title and connections, in the order given. `persistent` adds the engine's columns."""
    yield "IPVS connection entries"
    columns = f"{'state':<11} {'source':<18} {'virtual':<18}"
    if persistent:
        yield f"pro expire {columns} {'destination':<18} {'pe name':<16} pe_data"
    else:
        yield f"pro expire {columns} destination"
    for each in connections:
        yield _line(each, names, persistent)


def _line(each: Connection, names: Names, persistent: bool) -> str:
    protocol = _PROTOCOLS.get(each.protocol)
    client, virtual, server = (
        address_port(names, address, port, protocol)
        for address, port in (each.client, each.virtual, each.destination)
    )
    expire = f"{each.expires // 60:02}:{each.expires % 60:02}"
    start = f"{each.protocol:<3} {expire:<6} {each.state:<11} {client:<18} {virtual:<18}"
    if persistent and each.persistence_engine is not None:
        return f"{start} {server:<16} {each.persistence_engine:<18} {each.engine_data}"
    return f"{start} {server}"


def _address(text: str) -> Address:
    if ":" not in text:
        return IPv4Address(int(text, 16))
    try:
        return IPv6Address(text)
    except AddressValueError as error:
        raise ValueError(str(error)) from None
