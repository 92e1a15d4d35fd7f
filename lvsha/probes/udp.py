"""The `udp` check: a datagram, and what comes back of it.

Without an expected reply silence is a pass: only an ICMP error says that nobody is there.
"""

from __future__ import annotations

from lvsha.core.plan import Check
from lvsha.core.probes import UdpProbe
from lvsha.errors import DeadlineError, ProbeError
from lvsha.probes.connection import target
from lvsha.probes.datagram import open_datagrams
from lvsha.probes.engine import Attempt
from lvsha.probes.faults import excerpt


def udp(check: Check) -> Attempt:
    """An attempt sends one datagram and hears one."""
    spec = check.probe
    assert isinstance(spec, UdpProbe)
    where = target(check)

    async def attempt() -> str:
        datagrams = open_datagrams(where)
        try:
            datagrams.send(spec.send)
            reply = await datagrams.receive("waiting for a reply")
        except DeadlineError:
            if spec.expect is not None:
                raise
            return "no ICMP error"
        finally:
            datagrams.close()
        if spec.expect is not None and spec.expect not in reply:
            text = f'the reply "{excerpt(reply)}" has no "{excerpt(spec.expect)}" in it'
            raise ProbeError(text)
        return f"a reply of {len(reply)} bytes"

    return attempt
