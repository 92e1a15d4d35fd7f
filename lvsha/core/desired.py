"""Plan and health → the IPVS table that should be.

Laws of this file: level, not edge — the answer depends on what is known now, never on what
changed. A server nobody has judged yet keeps what the kernel has, so that a restart of the
director is invisible to traffic; one not found in the kernel counts as down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lvsha.core.health import Measured
from lvsha.core.plan import DirectorPlan, RealServer, VirtualService
from lvsha.core.types import (
    Destination,
    DestinationKey,
    IpvsTable,
    OnFailure,
    ServiceEntry,
)

Judgement = Callable[[VirtualService, RealServer], Measured]
"""What is known of a server of a service now."""


def build(plan: DirectorPlan, judgement: Judgement, actual: IpvsTable) -> IpvsTable:
    """The whole table wanted, services in the plan's order."""
    return {service.key: entry(service, judgement, actual) for service in plan.services}


def entry(service: VirtualService, judgement: Judgement, actual: IpvsTable) -> ServiceEntry:
    """One service with the destinations it should have."""
    found: Mapping[DestinationKey, Destination] = {}
    if service.key in actual:
        found = actual[service.key].destinations
    wanted = (
        destination(service, server, judgement(service, server), found.get(server.key))
        for server in service.real_servers
    )
    return ServiceEntry(service.service, {d.key: d for d in wanted if d is not None})


def destination(
    service: VirtualService,
    server: RealServer,
    measured: Measured,
    found: Destination | None,
) -> Destination | None:
    """The destination this server should be in the kernel, or None: it should not be there."""
    if measured is Measured.UNKNOWN and found is not None:
        return found
    if measured is Measured.UP:
        return _destination(server, server.weight)
    if service.on_failure is OnFailure.QUIESCE:
        return _destination(server, 0)
    return None


def _destination(server: RealServer, weight: int) -> Destination:
    return Destination(
        key=server.key,
        forwarding=server.forwarding,
        weight=weight,
        upper_threshold=server.upper_threshold,
        lower_threshold=server.lower_threshold,
        tunnel=server.tunnel,
    )
