"""The `agent` check in the file."""

from __future__ import annotations

from typing import ClassVar, Literal

from lvsha.config.checks.check import CommonCheck
from lvsha.config.checks.contents import Payload
from lvsha.core.probes import AgentProbe


class AgentCheck(CommonCheck):
    """An agent says how the target is: `up`, `down #why`, `75%`, `ready`, `drain`, `maint`.

    These are HAProxy's words; an agent that cannot be reached is no failure.
    """

    can_detour: ClassVar[bool] = False

    type: Literal["agent"] = "agent"
    send: Payload = b""
    """What to say first, its line end included; default nothing."""

    def probe(self) -> AgentProbe:
        return AgentProbe(self.send)
