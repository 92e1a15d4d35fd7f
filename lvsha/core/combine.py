"""One server, several checks: what they come to together.

Laws of this file: three values, as in Kleene's logic: with `all` one failed check decides, with
`any` one passed check does, and while the rest could still turn it nothing is known. An agent
that was never heard says nothing, so it is not waited for where other checks speak.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from lvsha.core.health import Admin, Advice, Health, Measured
from lvsha.core.plan import Check, Required
from lvsha.core.probes import AgentProbe
from lvsha.core.types import endpoint


def combine(
    required: Required, checks: Sequence[Check], found: Sequence[Health], before: Health | None
) -> Health:
    """The health of a server from that of its checks, in the same order.

    `before` is what it was: `since` goes on while the answer is the same. The message is that of
    the checks that decide, and of those that failed, each under its name.
    """
    heard = _heard(checks, found)
    measured = decided(required, [health.measured for _, health in heard])
    if before is not None and before.measured is measured:
        since = before.since
    else:
        since = max(health.since for health in found)
    names = Counter(str(check.probe) for check in checks)
    message = "; ".join(
        f"{_name(check, names)}: {health.message}"
        for check, health in heard
        if health.measured in (measured, Measured.DOWN)
    )
    advice = _together([health.advice for health in found if health.advice is not None])
    return Health(measured, 0, since, message, advice)


def decided(required: Required, found: Collection[Measured]) -> Measured:
    """UNKNOWN until enough are decided."""
    alone, together = Measured.DOWN, Measured.UP
    if required is Required.ANY:
        alone, together = together, alone
    if alone in found:
        return alone
    return Measured.UNKNOWN if Measured.UNKNOWN in found else together


def _heard(checks: Sequence[Check], found: Sequence[Health]) -> Sequence[tuple[Check, Health]]:
    every = list(zip(checks, found, strict=True))
    heard = [
        (check, health)
        for check, health in every
        if not (isinstance(check.probe, AgentProbe) and health.measured is Measured.UNKNOWN)
    ]
    return heard or every


def _name(check: Check, names: Counter[str]) -> str:
    """Of two checks alike in all but their target, where they look belongs to the name."""
    name = str(check.probe)
    return f"{name} at {endpoint(check.address, check.port)}" if names[name] > 1 else name


def _together(advices: Sequence[Advice]) -> Advice | None:
    """The first word on the weight and the severest administrative state."""
    if not advices:
        return None
    weighs = (each for each in advices if (each.weight, each.weight_percent) != (None, None))
    weight = next(weighs, Advice())
    admins = [each.admin for each in advices if each.admin is not None]
    admin = max(admins, key=list(Admin).index) if admins else None
    return Advice(weight.weight_percent, weight.weight, admin)
