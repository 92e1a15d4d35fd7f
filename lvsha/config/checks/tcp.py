"""The `tcp` check in the file."""

from __future__ import annotations

from typing import Literal

from lvsha.config.checks.check import CommonCheck
from lvsha.core.probes import TcpProbe


class TcpCheck(CommonCheck):
    """The target accepts a TCP connection."""

    type: Literal["tcp"] = "tcp"

    def probe(self) -> TcpProbe:
        return TcpProbe()
