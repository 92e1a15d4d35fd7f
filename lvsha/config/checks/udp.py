"""The `udp` check in the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from lvsha.config.checks.check import CheckMistake, CommonCheck
from lvsha.config.checks.contents import Payload
from lvsha.core.probes import UdpProbe


class UdpCheck(CommonCheck):
    """The target answers a datagram; without `expect`, no ICMP error comes back in time."""

    type: Literal["udp"] = "udp"
    send: Payload = b""
    """What the datagram holds; default nothing. Some services answer only what they know."""
    expect: Payload | None = None
    """What must stand in the reply; default: silence is a pass."""

    def mistakes(self) -> Iterator[CheckMistake]:
        if self.via == "vip" and self.expect is None:
            message = "vip needs expect: a virtual address that is missing is silent, too"
            yield CheckMistake("via", message)

    def probe(self) -> UdpProbe:
        return UdpProbe(self.send, self.expect)
