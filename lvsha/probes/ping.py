"""The `ping` check: an ICMP echo request (RFC 792, RFC 4443 §4.1) and its very reply.

The kernel's datagram sockets for ICMP hear only the replies to their own requests. Where
net.ipv4.ping_group_range keeps us from them it is a raw socket, which hears all that the target
sends: identifier, sequence and a random payload tell ours.
"""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import dataclass, replace

from lvsha.core.internet import checksum
from lvsha.core.plan import Check
from lvsha.probes.connection import target
from lvsha.probes.datagram import open_datagrams
from lvsha.probes.engine import Attempt

_HEADER = struct.Struct("!BBHHH")
_SEQUENCE = 1
_PAYLOAD_SIZE = 16


@dataclass(frozen=True, slots=True)
class _Icmp:
    """What differs between the families."""

    protocol: int
    request: int
    reply: int


_ICMP: dict[int, _Icmp] = {
    socket.AF_INET: _Icmp(socket.IPPROTO_ICMP, 8, 0),
    socket.AF_INET6: _Icmp(socket.IPPROTO_ICMPV6, 128, 129),
}


def ping(check: Check) -> Attempt:
    """An attempt sends one echo request and waits for its reply."""
    where = target(replace(check, port=0))
    icmp = _ICMP[where.family]
    kind = _allowed(where.family, icmp.protocol)

    async def attempt() -> str:
        payload = os.urandom(_PAYLOAD_SIZE)
        identifier = int.from_bytes(payload[:2], "big")
        datagrams = open_datagrams(where, kind, icmp.protocol)
        try:
            datagrams.send(_request(icmp, identifier, payload))
            while True:
                packet = await datagrams.receive("waiting for the echo reply")
                if kind == socket.SOCK_RAW and where.family == socket.AF_INET:
                    packet = packet[(packet[0] & 0x0F) * 4 :]  # RFC 791 §3.1: IHL
                if _is_reply(packet, icmp.reply, payload):
                    return "echo reply"
        finally:
            datagrams.close()

    return attempt


def _allowed(family: int, protocol: int) -> int:
    """The kind of socket this process may have."""
    try:
        socket.socket(family, socket.SOCK_DGRAM, protocol).close()
    except PermissionError:
        return socket.SOCK_RAW
    except OSError:
        pass  # what every attempt will meet again, and say
    return socket.SOCK_DGRAM


def _request(icmp: _Icmp, identifier: int, payload: bytes) -> bytes:
    """The kernel fills in the checksum of ICMPv6, and a datagram socket's identifier."""
    blank = _HEADER.pack(icmp.request, 0, 0, identifier, _SEQUENCE) + payload
    return _HEADER.pack(icmp.request, 0, checksum(blank), identifier, _SEQUENCE) + payload


def _is_reply(packet: bytes, kind: int, payload: bytes) -> bool:
    """A datagram socket's identifier is the kernel's to choose and to look at.

    The payload, random, has ours in it.
    """
    if len(packet) < _HEADER.size:
        return False
    return packet[0:2] == bytes((kind, 0)) and packet[6:] == _SEQUENCE.to_bytes(2) + payload
