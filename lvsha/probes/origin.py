"""How a probe's packets leave this machine, where the file says so."""

from __future__ import annotations

import socket
import struct

from lvsha.core.plan import Origin
from lvsha.probes import faults

_IP_BIND_ADDRESS_NO_PORT = 24
"""linux/in.h: the port is chosen with the target known, so one port serves many targets."""


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
        if origin.source is not None:
            doing = f"source {origin.source}"
            if sock.type == socket.SOCK_STREAM:
                sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((str(origin.source), 0))
    except OSError as error:
        faults.at_once(error.errno, doing)
