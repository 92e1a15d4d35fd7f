"""The machine's name services as ipvsadm asks them: hosts and services, both ways.

The old calls (gethostbyname and its kin), for their first answer is the one ipvsadm takes.
"""

from __future__ import annotations

import os
import socket
from ipaddress import IPv4Address

from lvsha.core.types import Address, Protocol

_NOT_NAMES = ("", "<broadcast>")  # Python's own words for addresses, no host's name


class SystemNames:
    """Implements `core.ipvsadm.names.Names`. A lookup may take as long as the resolver does."""

    def host_name(self, address: Address) -> str | None:
        try:
            return socket.gethostbyaddr(str(address))[0]
        except OSError:
            return None

    def port_name(self, port: int, protocol: Protocol) -> str | None:
        try:
            return socket.getservbyport(port, protocol.name.lower())
        except OSError:
            return None

    def host_address(self, name: str) -> IPv4Address | None:
        if name in _NOT_NAMES:
            return None
        try:
            # As bytes, or Python would turn the name into IDNA first.
            found = socket.gethostbyname_ex(os.fsencode(name))[2]  # type: ignore[arg-type]
        except OSError:
            return None
        return IPv4Address(found[0]) if found else None

    def port_number(self, name: str, protocol: Protocol) -> int | None:
        try:
            return socket.getservbyname(name, protocol.name.lower())
        except (OSError, UnicodeError, ValueError):
            return None
