"""A program: garbage at the gate, guided by what it reaches (atheris, libFuzzer).

Run with a folder for what it finds worth keeping, and libFuzzer's options. It ends with 0, or at
the first input that the gate does not count exactly once.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["lvsha.core", "lvsha.vrrp"]):
    from lvsha.core import advert
    from lvsha.core.internet import checksum, pseudo_header
    from lvsha.core.plan import VirtualRouter
    from lvsha.core.types import Family
    from lvsha.kernel.ports import Packet
    from tests.shell.test_vrrp_fuzz import KINDS, good, judged

GOOD = [(vr, good(vr)) for vr in KINDS.values()]
VERBATIM = 0x80
"""Of the first byte: the checksum stays as it comes. Else it is made right, to get further in."""


def one_input(data: bytes) -> None:
    """The first byte chooses the router, the second one is the TTL; the rest is the packet."""
    if len(data) < 2:
        return
    vr, packet = GOOD[(data[0] & ~VERBATIM) % len(GOOD)]
    message = data[2:] if data[0] & VERBATIM else corrected(vr, packet, data[2:])
    judged(vr, replace(packet, data=message, ttl=data[1]))


def corrected(vr: VirtualRouter, packet: Packet, message: bytes) -> bytes:
    """With the checksum that this packet ought to have."""
    if len(message) < 8:
        return message
    blank = message[:6] + b"\0\0" + message[8:]
    ends = b""
    if vr.family is Family.IPV6:
        ends = pseudo_header(packet.source, packet.destination, advert.PROTOCOL, len(message))
    return message[:6] + checksum(ends + blank).to_bytes(2, "big") + message[8:]


def main() -> None:
    corpus = Path(sys.argv[1])
    for number, (_, packet) in enumerate(GOOD):
        (corpus / f"good{number}").write_bytes(bytes([number, 255]) + packet.data)
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
