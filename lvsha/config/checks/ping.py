"""The `ping` check in the file."""

from __future__ import annotations

from typing import ClassVar, Literal

from lvsha.config.checks.check import CommonCheck
from lvsha.core.probes import PingProbe


class PingCheck(CommonCheck):
    """The target answers an ICMP echo request, whatever its port."""

    uses_port: ClassVar[bool] = False
    can_detour: ClassVar[bool] = False

    type: Literal["ping"] = "ping"

    def probe(self) -> PingProbe:
        return PingProbe()
