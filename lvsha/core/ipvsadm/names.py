"""How ipvsadm writes and reads hosts and ports; looking names up is an effect others bring in."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address
from typing import NamedTuple
from typing import Protocol as Interface

from lvsha.core.ipvsadm.numerals import address_text, ipv4_address, ipv6_address, number
from lvsha.core.types import Address, Protocol

ADDRESS_PORT_ROOM = 59
"""ipvsadm writes host and port into 60 bytes and cuts what does not fit."""


class Names(Interface):
    """The machine's name services, in both directions. None: no such name.

    Hashable, for answers are remembered.
    """

    def __hash__(self) -> int: ...

    def host_name(self, address: Address) -> str | None: ...

    def port_name(self, port: int, protocol: Protocol) -> str | None: ...

    def host_address(self, name: str) -> IPv4Address | None: ...

    def port_number(self, name: str, protocol: Protocol) -> int | None: ...


class NoNames:
    """Knows no names: everything stays a number."""

    def host_name(self, address: Address) -> str | None:
        return None

    def port_name(self, port: int, protocol: Protocol) -> str | None:
        return None

    def host_address(self, name: str) -> IPv4Address | None:
        return None

    def port_number(self, name: str, protocol: Protocol) -> int | None:
        return None


NUMERIC = NoNames()


def address_port(names: Names, address: Address, port: int, protocol: Protocol | None) -> str:
    """`host:port`, or `[host]:port` for IPv6, by name where `names` knows one."""
    host = names.host_name(address) or address_text(address)
    service = (protocol and names.port_name(port, protocol)) or port
    text = f"{host}:{service}" if address.version == 4 else f"[{host}]:{service}"
    return text[:ADDRESS_PORT_ROOM]


class Endpoint(NamedTuple):
    """An address, and a port where the words gave one."""

    address: Address
    port: int | None


@lru_cache(maxsize=64)
def read_endpoint(text: str, protocol: Protocol | None, names: Names) -> Endpoint | None:
    """`host[:port]`, `[v6]:port` or a bare IPv6 address. None: not one of these.

    As in ipvsadm an IPv4 address in brackets loses its port, and a host name means IPv4.
    Remembered, for a restore names a service with each of its servers.
    """
    if _all_digits(text):
        return None
    if text.startswith("["):
        return _bracketed(text[1:], protocol, names)
    if (six := ipv6_address(text)) is not None:
        return Endpoint(six, None)
    return _host_port(text, protocol, names)


def read_ipv4(text: str, names: Names) -> IPv4Address | None:
    """An IPv4 address in numbers, or a host's."""
    address = ipv4_address(text)
    return names.host_address(text) if address is None else address


def _bracketed(text: str, protocol: Protocol | None, names: Names) -> Endpoint | None:
    host, bracket, tail = text.partition("]")
    if not bracket or not tail.startswith(":"):
        return None
    if (six := ipv6_address(host)) is not None:
        return _with_port(six, tail[1:], protocol, names)
    return _host_port(host, protocol, names)


def _host_port(text: str, protocol: Protocol | None, names: Names) -> Endpoint | None:
    host, colon, service = text.rpartition(":")
    address = read_ipv4(host if colon else text, names)
    if address is None:
        return None
    return _with_port(address, service, protocol, names) if colon else Endpoint(address, None)


def _with_port(
    address: Address, service: str, protocol: Protocol | None, names: Names
) -> Endpoint | None:
    port = number(service, 0, 65535)
    if port is None and protocol is not None:
        port = names.port_number(service, protocol)
    return None if port is None else Endpoint(address, port)


def _all_digits(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit())
