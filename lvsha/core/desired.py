"""Plan and standing of its servers → the IPVS table that should be.

Laws of this file: level, not edge — the answer depends on what is known now, never on what
changed. A server nobody has judged yet keeps what the kernel has, so that a restart of the
director is invisible to traffic; one not found in the kernel counts as down.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from lvsha.core.balance import Role, Standing
from lvsha.core.plan import DirectorPlan, RealServer, VirtualService
from lvsha.core.through import detour_services
from lvsha.core.types import (
    Destination,
    DestinationKey,
    IpvsTable,
    OnFailure,
    ServiceEntry,
)

Judgement = Callable[[VirtualService, RealServer], Standing]
"""What is to become of a server of a service, as far as is known now."""


def _always(_: VirtualService) -> bool:
    return True


def _never(_: VirtualService, __: RealServer) -> bool:
    return False


def _nobody(_: VirtualService) -> Collection[DestinationKey]:
    return ()


@dataclass(frozen=True, slots=True)
class View:
    """Everything about services that is not in the plan, as it is now.

    `is_active`: the service is to be in the table at all. `leaving`: destinations that are no
    longer in the plan and keep their connections for a while. `stands_by`: the server could serve,
    but another tier does.
    """

    judgement: Judgement
    is_active: Callable[[VirtualService], bool] = _always
    leaving: Callable[[VirtualService], Collection[DestinationKey]] = _nobody
    stands_by: Callable[[VirtualService, RealServer], bool] = _never


def all_up(service: VirtualService, server: RealServer) -> Standing:
    """The judgement of somebody who has no checks: every server is up."""
    if any(server in tier for tier in service.backups):
        return Standing(Role.OUT, 0)
    return Standing(Role.SERVE, server.weight)


def build(plan: DirectorPlan, view: View, actual: IpvsTable) -> IpvsTable:
    """The whole table wanted: services in the plan's order, then what carries its detours."""
    return {
        service.key: entry(service, view, actual)
        for service in (*plan.services, *detour_services(plan.services))
        if view.is_active(service)
    }


def entry(service: VirtualService, view: View, actual: IpvsTable) -> ServiceEntry:
    """One service with the destinations it should have."""
    found: Mapping[DestinationKey, Destination] = {}
    if service.key in actual:
        found = actual[service.key].destinations
    wanted = (
        destination(service, server, view.judgement(service, server), found.get(server.key))
        for server in service.servers
    )
    destinations = {d.key: d for d in wanted if d is not None}
    for key in view.leaving(service):
        if key in found and key not in destinations:
            destinations[key] = replace(found[key], weight=0)
    return ServiceEntry(service.service, destinations)


def destination(
    service: VirtualService,
    server: RealServer,
    standing: Standing,
    found: Destination | None,
) -> Destination | None:
    """The destination this server should be in the kernel, or None: it should not be there."""
    match standing.role:
        case Role.SERVE:
            return _destination(server, standing.weight, found)
        case Role.KEEP if found is not None:
            return found
        case Role.DRAIN:
            stays = found is not None
        case Role.KEEP | Role.FAIL:
            stays = service.on_failure is OnFailure.QUIESCE
        case Role.OUT:
            stays = False
        case _:
            assert_never(standing.role)
    return _destination(server, 0, found) if stays or service.keeps_places else None


def _destination(server: RealServer, weight: int, found: Destination | None) -> Destination:
    """What is found where that is right, as most of a table is: nothing is made nor compared."""
    if (
        found is not None
        and found.weight == weight
        and found.forwarding is server.forwarding
        and found.upper_threshold == server.upper_threshold
        and found.lower_threshold == server.lower_threshold
        and found.tunnel == server.tunnel
    ):
        return found
    return Destination(
        key=server.key,
        forwarding=server.forwarding,
        weight=weight,
        upper_threshold=server.upper_threshold,
        lower_threshold=server.lower_threshold,
        tunnel=server.tunnel,
    )
