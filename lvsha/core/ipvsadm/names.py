"""How ipvsadm writes and reads hosts and ports; looking names up is an effect others bring in."""

from __future__ import annotations

from typing import Protocol as Interface

from lvsha.core.types import Address, Family, Protocol


class Names(Interface):
    """The machine's name services, in both directions. None: no such name."""

    def host_name(self, address: Address) -> str | None: ...

    def port_name(self, port: int, protocol: Protocol | None) -> str | None: ...

    def host_address(self, name: str) -> Address | None: ...

    def port_number(self, name: str, protocol: Protocol | None) -> int | None: ...


class Numeric:
    """Knows no names: everything stays a number."""

    def host_name(self, address: Address) -> str | None:
        return None

    def port_name(self, port: int, protocol: Protocol | None) -> str | None:
        return None

    def host_address(self, name: str) -> Address | None:
        return None

    def port_number(self, name: str, protocol: Protocol | None) -> int | None:
        return None


NUMERIC = Numeric()


def address_port(names: Names, address: Address, port: int, protocol: Protocol | None) -> str:
    """`host:port`, or `[host]:port` for IPv6, by name where `names` knows one."""
    host = names.host_name(address) or str(address)
    service = names.port_name(port, protocol) or str(port)
    return f"{host}:{service}" if Family.of(address) is Family.IPV4 else f"[{host}]:{service}"
