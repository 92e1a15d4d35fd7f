"""`lvsha sniff`: VRRP, ARP and neighbour discovery on an interface, live. The engine is scapy."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import select
import signal
import socket
import struct
from collections.abc import Iterator
from contextlib import closing
from ipaddress import ip_address
from itertools import islice
from typing import TYPE_CHECKING

import click

from lvsha.cli import overheard
from lvsha.cli.overheard import Facts
from lvsha.core.advert import PROTOCOL
from lvsha.core.frames import (
    ADVERTISEMENT,
    ETHERTYPE_ARP,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    ICMPV6,
    SOLICITATION,
)
from lvsha.errors import HostError
from lvsha.runtime.logs import timestamp

if TYPE_CHECKING:
    from scapy.arch.linux import L2ListenSocket
    from scapy.packet import Packet

LOOK = 1.0
"""Seconds of silence after which it is looked whether the interface is still there."""


SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_LOAD_HALF, _LOAD_BYTE, _EQUAL, _RETURN = 0x28, 0x30, 0x15, 0x06  # linux/bpf_common.h
_KIND = 0xFFFFF000  # SKF_AD_PROTOCOL: what the frame carries, behind any VLAN tag
_NETWORK = 0xFFF00000  # SKF_NET_OFF: from where the network header begins
_FILTER = (
    (_LOAD_HALF, 0, 0, _KIND),
    (_EQUAL, 10, 0, ETHERTYPE_ARP),
    (_EQUAL, 0, 2, ETHERTYPE_IPV4),
    (_LOAD_BYTE, 0, 0, _NETWORK + 9),
    (_EQUAL, 7, 6, PROTOCOL),
    (_EQUAL, 0, 5, ETHERTYPE_IPV6),
    (_LOAD_BYTE, 0, 0, _NETWORK + 6),
    (_EQUAL, 4, 0, PROTOCOL),
    (_EQUAL, 0, 2, ICMPV6),
    (_LOAD_BYTE, 0, 0, _NETWORK + 40),
    (_EQUAL, 1, 0, SOLICITATION),
    (_EQUAL, 0, 1, ADVERTISEMENT),
    (_RETURN, 0, 0, 0xFFFF),
    (_RETURN, 0, 0, 0),
)
"""Only what is shown comes up: a busy interface costs no more than a quiet one."""


def sniff(interface: str, count: int | None, *, as_json: bool) -> int:
    """Print a line a frame until `count` of them, or a signal. HostError where it can not listen.

    0, the exit code.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with closing(_listening(interface)) as ear:
            for frame, facts in islice(_heard(ear, interface), count):
                at = float(frame.time)
                text = json.dumps({"ts": timestamp(at), **facts})
                click.echo(text if as_json else overheard.line(facts, at))
    except KeyboardInterrupt:
        pass
    return 0


def _listening(interface: str) -> L2ListenSocket:
    try:
        import scapy.config  # noqa: F401 - is it there at all
    except ImportError:
        raise HostError("sniff needs scapy, not installed: pip install 'lvsha[sniff]'") from None
    if not _index(interface):
        raise HostError(f"there is no interface {interface!r} on this machine")
    try:
        return _open(interface)
    except PermissionError:
        raise HostError("sniff must be root, or have CAP_NET_RAW") from None
    except OSError as error:
        raise HostError(f"listen on {interface}: {os.strerror(error.errno or 0)}") from None


def _open(interface: str) -> L2ListenSocket:
    import scapy.layers.inet
    import scapy.layers.inet6  # noqa: F401 - knowing a protocol begins with its module
    from scapy.arch.linux import L2ListenSocket

    ear = L2ListenSocket(iface=interface)
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in _FILTER))
    order = struct.pack("HP", len(_FILTER), ctypes.addressof(program))
    ear.ins.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, order)
    return ear


def _heard(ear: L2ListenSocket, interface: str) -> Iterator[tuple[Packet, Facts]]:
    """Everything of interest. HostError when the interface is gone."""
    index = _index(interface)
    while True:
        if not select.select([ear.ins], [], [], LOOK)[0]:
            if _index(interface) != index:
                raise HostError(f"interface {interface} is gone")
            continue
        try:
            frame = ear.recv()
        except OSError as error:
            if error.errno == errno.ENETDOWN:  # it may come up again
                continue
            raise HostError(f"listen on {interface}: {os.strerror(error.errno or 0)}") from None
        if frame is not None and (facts := dissect(frame)) is not None:
            yield frame, facts


def _index(interface: str) -> int:
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        return 0


def dissect(frame: Packet) -> Facts | None:
    """What a frame says, and who sent it; None: nothing of interest. Nothing is ever raised."""
    from scapy.layers.l2 import Dot1Q, Ether

    try:
        facts = _facts(frame)
    except Exception as error:  # noqa: BLE001 - garbage of one sender must not hide the others
        facts = overheard.malformed("frame", f"{len(frame.original)} bytes: {error}")
    if facts is None:
        return None
    facts["mac"] = frame[Ether].src if Ether in frame else "-"
    if Dot1Q in frame:
        facts["vlan"] = frame[Dot1Q].vlan
    return facts


def _facts(frame: Packet) -> Facts | None:
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import ARP, Dot1Q, Ether

    if ARP in frame:
        return _arp(frame[ARP])
    if IP in frame:
        return _ipv4(frame[IP])
    if IPv6 in frame:
        return _ipv6(frame[IPv6])
    link = frame.getlayer(Dot1Q) or frame.getlayer(Ether)
    if link is not None and link.type == ETHERTYPE_ARP:
        return overheard.malformed("arp", f"{len(link.payload)} bytes")
    return None


def _arp(message: Packet) -> Facts:
    kind = (message.hwtype, message.ptype, message.hwlen, message.plen)
    if kind != (1, ETHERTYPE_IPV4, 6, 4):
        return overheard.malformed("arp", f"is not of IPv4 on Ethernet: {kind}")
    sender, target = (message.hwsrc, message.psrc), (message.hwdst, message.pdst)
    return overheard.arp(message.op, sender, target)


def _ipv4(packet: Packet) -> Facts | None:
    if packet.proto != PROTOCOL:
        return None
    ends = {"source": packet.src, "destination": packet.dst}
    if packet.frag or packet.flags.MF:
        return {**overheard.malformed("vrrp", "is a fragment"), **ends}
    data = packet.original[packet.ihl * 4 : packet.len]
    source, destination = ip_address(packet.src), ip_address(packet.dst)
    return {**overheard.vrrp(data, source, destination, packet.ttl), **ends}


def _ipv6(packet: Packet) -> Facts | None:
    from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr

    ends = {"source": packet.src, "destination": packet.dst}
    data = packet.original[40 : 40 + packet.plen]
    if packet.nh == PROTOCOL:
        source, destination = ip_address(packet.src), ip_address(packet.dst)
        return {**overheard.vrrp(data, source, destination, packet.hlim), **ends}
    if packet.nh != ICMPV6 or data[:1] not in (bytes((SOLICITATION,)), bytes((ADVERTISEMENT,))):
        return None
    if ICMPv6ND_NS in packet:
        facts = overheard.solicitation(packet[ICMPv6ND_NS].tgt)
    elif ICMPv6ND_NA in packet:
        said, option = packet[ICMPv6ND_NA], packet.getlayer(ICMPv6NDOptDstLLAddr)
        flags = (bool(said.R), bool(said.S), bool(said.O))
        mac = None if option is None else option.lladdr
        facts = overheard.advertisement(said.tgt, mac, flags)
    else:
        facts = overheard.malformed("nd", f"type {data[0]} in {len(data)} bytes")
    return {**facts, "ttl": packet.hlim, **ends}
