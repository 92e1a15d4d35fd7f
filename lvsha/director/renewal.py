"""A new plan beside the one in force: what both say alike is one value."""

from __future__ import annotations

from dataclasses import replace

from lvsha.core.plan import DirectorPlan
from lvsha.runtime.slices import sliced


async def renewed(before: DirectorPlan, plan: DirectorPlan) -> DirectorPlan:
    """The plan, its services those of `before` wherever nothing of them changes.

    Who knows a service by identity has nothing to do for it then; most reloads change little.
    """
    known = {service.name: service for service in before.services}
    services = []
    async for service in sliced(plan.services):
        same = known.get(service.name)
        services.append(same if same is not None and same == service else service)
    return replace(plan, services=tuple(services))
