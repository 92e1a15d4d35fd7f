"""How a probe's packets leave this machine, where the file says so."""

from __future__ import annotations

import socket
import struct
from ipaddress import ip_address

from lvsha.core.detour import Origin
from lvsha.core.types import Address, Family
from lvsha.probes import faults

_IP_BIND_ADDRESS_NO_PORT = 24
"""linux/in.h: the port is chosen with the target known, so one port serves many targets."""


ANY_PORT = 9
"""Discard (RFC 863): connecting a datagram socket wants some port."""


def set_out(sock: socket.socket, origin: Origin) -> None:
    """Bind the socket as its origin says. InconclusiveError: this machine can't."""
    doing = ""
    try:
        if origin.device is not None:
            doing = f"device {origin.device}"
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, origin.device.encode())
        if origin.mark:
            doing = f"mark {origin.mark}"
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, struct.pack("I", origin.mark))
        source = origin.source
        if origin.detour is not None:
            _limit_hops(sock, origin.detour.hops)
            source = source or source_towards(origin.detour.server)
        if source is not None:
            doing = f"source {source}"
            if sock.type == socket.SOCK_STREAM:
                sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((str(source), 0))
    except OSError as error:
        faults.at_once(error.errno, doing)


def source_towards(server: Address) -> Address:
    """This machine's address as a server sees it. InconclusiveError: there is no way to it."""
    try:
        with socket.socket(Family.of(server), socket.SOCK_DGRAM) as trial:
            trial.connect((str(server), ANY_PORT))  # nothing is sent
            return ip_address(trial.getsockname()[0])
    except OSError as error:
        faults.at_once(error.errno, f"towards {server}")


def _limit_hops(sock: socket.socket, hops: int | None) -> None:
    if hops is None:
        return
    if sock.family == socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hops)
    else:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, hops)
