"""Who serves: quorum, tiers of backups, panic, and every server's place and weight.

Laws of this file: what was measured and what is wanted (`Admin`) meet here and nowhere else;
the answer depends on what is known now, and of the past on no more than `ServiceState`, which
gives the quorum its two thresholds. Tallies are sums, so that a verdict costs one subtraction
and one addition, however many servers a service has. Times are seconds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from lvsha.core.health import Admin, Advice, Measured
from lvsha.core.plan import Initial, VirtualService
from lvsha.core.types import Key, OnFailure, Protocol, ServiceKey

MAX_WEIGHT = 65535
RAMP_STEPS = 20
"""Weights a slow start passes through at most: each is a command to the kernel."""


@dataclass(frozen=True, slots=True)
class Order:
    """What an operator said of a server. `weight` None: the file's."""

    admin: Admin = Admin.ENABLED
    weight: int | None = None


@dataclass(frozen=True, slots=True)
class Member:
    """What is known of a server of a service.

    `weight` is what it has when it serves (but for a slow start). Not `judged`: `measured` is
    what counts until there is a verdict; `kept`: so long it was found serving in the kernel.
    """

    measured: Measured
    admin: Admin
    weight: int
    judged: bool = True
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """A tier's servers summed up. `servers` and `down` count those no operator has taken out."""

    alive_weight: int = 0
    undecided_weight: int = 0
    servers: int = 0
    down: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.alive_weight + other.alive_weight,
            self.undecided_weight + other.undecided_weight,
            self.servers + other.servers,
            self.down + other.down,
        )

    def __sub__(self, other: Tally) -> Tally:
        return Tally(
            self.alive_weight - other.alive_weight,
            self.undecided_weight - other.undecided_weight,
            self.servers - other.servers,
            self.down - other.down,
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """Sums of weights: the quorum, below which it is lost, from which it is regained; percent."""

    quorum: int
    lost_below: int
    regained_from: int
    panic_threshold: int


@dataclass(frozen=True, slots=True)
class ServiceState:
    """What a service has come to. `tier` 0 are its real servers, 1 the first backups.

    `panic`: so many of the tier are down that the checks are doubted: none is taken out.
    """

    quorum_held: bool = False
    tier: int = 0
    panic: bool = False


class Role(Enum):
    """What is to become of a server's destination."""

    SERVE = "serve"  # there, with its weight
    KEEP = "keep"  # as the kernel has it: nobody has judged it yet
    DRAIN = "drain"  # no new connections, those it has go on
    FAIL = "fail"  # as the service's on_failure says
    OUT = "out"  # not there


@dataclass(frozen=True, slots=True)
class Standing:
    """A server's role and, where it serves, its weight."""

    role: Role
    weight: int


def member(
    service: VirtualService,
    weight: int,
    measured: Measured,
    advice: Advice | None,
    order: Order,
    *,
    kept: bool = False,
) -> Member:
    """A server of the file's `weight` as checks and operators have it; both can take it out."""
    judged = measured is not Measured.UNKNOWN
    if not judged and service.initial is not Initial.KERNEL:
        measured = Measured.UP if service.initial is Initial.UP else Measured.DOWN
    admin = order.admin
    if advice is not None and advice.admin is not None:
        admin = max(admin, advice.admin, key=_SEVERITY.index)
    nominal = weight if order.weight is None else order.weight
    return Member(
        measured,
        admin,
        nominal if service.keeps_places else advised_weight(nominal, advice),
        judged,
        kept and measured is Measured.UNKNOWN,
    )


_SEVERITY = (Admin.ENABLED, Admin.DRAIN, Admin.DISABLED)


def advised_weight(weight: int, advice: Advice | None) -> int:
    """The weight an agent's or script's advice makes of the configured one.

    A share of a weight is at least 1, unless it is a share of nothing or 0 percent.
    """
    if advice is None:
        return weight
    if advice.weight is not None:
        return min(advice.weight, MAX_WEIGHT)
    if advice.weight_percent is not None:
        return min(-(-weight * advice.weight_percent // 100), MAX_WEIGHT)
    return weight


def weighs(advice: Advice | None) -> bool:
    """Whether anything is said of the weight."""
    if advice is None:
        return False
    return advice.weight is not None or advice.weight_percent is not None


def ramped_weight(weight: int, elapsed: float, slow_start: float) -> int:
    """The weight `elapsed` seconds into a slow start: linear, in steps, never less than 1."""
    if elapsed >= slow_start or weight <= 1:
        return weight
    return max(1, weight * int(elapsed * RAMP_STEPS / slow_start) // RAMP_STEPS)


def serves(known: Member) -> bool:
    """Whether it would serve in an active tier."""
    return known.admin is Admin.ENABLED and known.measured is Measured.UP


def returns(service: VirtualService, before: Member, now: Member) -> bool:
    """Whether a server is back that was out: the moment for a slow start.

    One judged for the first time has never been out, as far as we know.
    """
    was_out = before.measured is Measured.DOWN or before.admin is Admin.DISABLED
    wanted = service.slow_start > 0 and not service.keeps_places
    return wanted and before.judged and was_out and serves(now)


def share(known: Member) -> Tally:
    """What one server adds to its tier's tally."""
    return tally((known,))


def tally(members: Iterable[Member]) -> Tally:
    """What servers of a tier amount to."""
    alive_weight = undecided_weight = servers = down = 0
    for known in members:
        if known.admin is not Admin.ENABLED:
            continue
        servers += 1
        if known.measured is Measured.UP or known.kept:
            alive_weight += known.weight
        elif known.measured is Measured.UNKNOWN:
            undecided_weight += known.weight
        else:
            down += 1
    return Tally(alive_weight, undecided_weight, servers, down)


def rule(service: VirtualService) -> Rule:
    """The sums of weights that matter to a service.

    As in keepalived, no more is asked than all its servers together can give.
    """
    possible = max(1, sum(server.weight for server in service.real_servers))
    quorum = min(service.quorum, possible)
    return Rule(
        quorum,
        max(1, quorum - service.hysteresis),
        min(quorum + service.hysteresis, possible),
        service.panic_threshold,
    )


def first_state(rule: Rule, tallies: Sequence[Tally], tier: int) -> ServiceState:
    """The state of a service seen for the first time, found with this tier in the kernel."""
    return decide(rule, tallies, ServiceState(tallies[0].alive_weight >= rule.quorum, tier))


def decide(rule: Rule, tallies: Sequence[Tally], before: ServiceState) -> ServiceState:
    """The state of a service whose tiers amount to `tallies`."""
    needed = rule.lost_below if before.quorum_held else rule.regained_from
    held = tallies[0].alive_weight >= needed
    tier = 0 if held else _stand_in(rule, tallies, before.tier)
    active = tallies[tier]
    panic = 0 < rule.panic_threshold * active.servers < active.down * 100
    return ServiceState(held, tier, panic)


def _stand_in(rule: Rule, tallies: Sequence[Tally], before: int) -> int:
    """The nearest tier with a live server; with none, the real servers.

    While verdicts that are still to come can bring the quorum, nothing is switched.
    """
    if may_come(rule, tallies[0]):
        return before if before < len(tallies) else 0
    alive = (tier for tier in range(1, len(tallies)) if tallies[tier].alive_weight)
    return next(alive, 0)


def may_come(rule: Rule, first: Tally) -> bool:
    """Whether verdicts that are still to come can bring the quorum."""
    possible = first.alive_weight + first.undecided_weight
    return first.undecided_weight > 0 and possible >= rule.regained_from


def drains(service: VirtualService) -> bool:
    """Whether leaving takes time: datagrams know no end of a connection to wait for."""
    key: Key = service.key
    is_udp = isinstance(key, ServiceKey) and key.protocol is Protocol.UDP
    return service.drain_timeout > 0 and not is_udp


def is_leaving(service: VirtualService, known: Member, in_tier: bool) -> bool:
    """Whether a server that may still have connections gets no new ones."""
    if known.admin is not Admin.ENABLED:
        return known.admin is Admin.DRAIN
    failed = known.measured is Measured.DOWN and service.on_failure is OnFailure.REMOVE
    return not in_tier and not failed


def standing(
    service: VirtualService,
    known: Member,
    *,
    in_tier: bool,
    panic: bool = False,
    draining: bool = False,
    elapsed: float | None = None,
) -> Standing:
    """A server's place and weight.

    `in_tier`: its tier is the one that serves; `draining`: it is leaving and may have connections
    yet; `elapsed` is the time since its slow start began, None where there is none.
    """
    if known.admin is Admin.DISABLED:
        return Standing(Role.FAIL, 0)
    if is_leaving(service, known, in_tier):
        return Standing(Role.DRAIN if draining else Role.OUT, 0)
    if known.measured is Measured.UNKNOWN:
        return Standing(Role.KEEP, 0)
    if known.measured is Measured.DOWN:
        return Standing(Role.SERVE, known.weight) if panic else Standing(Role.FAIL, 0)
    if elapsed is None or service.keeps_places:
        return Standing(Role.SERVE, known.weight)
    return Standing(Role.SERVE, ramped_weight(known.weight, elapsed, service.slow_start))
