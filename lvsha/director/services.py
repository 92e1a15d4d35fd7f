"""State of our virtual services: who is alive, which tier serves, and what becomes of a server.

A verdict touches only the servers of its check: cost does not grow with the cluster, unless a
tier or the panic changes and with it the place of every server of the service.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lvsha.core import balance
from lvsha.core.balance import Member, Rule, ServiceState, Standing, Tally
from lvsha.core.desired import View, all_up
from lvsha.core.health import Admin
from lvsha.core.messages import VrrpStatus
from lvsha.core.plan import DirectorPlan, RealServer, VirtualService
from lvsha.core.types import Destination, DestinationKey, IpvsTable
from lvsha.director.board import Board
from lvsha.director.drains import Drains, Target
from lvsha.director.orders import Orders
from lvsha.director.telling import tell_change


@dataclass(slots=True, eq=False)
class _Seat:
    """A server's place in its service.

    `kept`: when the plan was taken it was in the kernel, with a weight. `ramp_began` is when its
    slow start did, if it is in one.
    """

    server: RealServer
    tier: int
    kept: bool
    known: Member
    leaving: bool = False
    ramp_began: float | None = None


@dataclass(slots=True, eq=False)
class _Service:
    """A service, its servers, and what they amount to."""

    plan: VirtualService
    rule: Rule
    seats: dict[DestinationKey, _Seat]
    tallies: list[Tally]
    state: ServiceState = field(default=ServiceState())


class Services:
    """The plan's services seen through their servers' health and what operators said of them."""

    def __init__(
        self,
        board: Board,
        orders: Orders,
        drains: Drains,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._board = board
        self._orders = orders
        self._drains = drains
        self._clock = clock
        self._services: dict[str, _Service] = {}
        self._ramping: dict[Target, tuple[_Service, _Seat]] = {}
        self._is_master: dict[str, bool] = {}
        self._found: frozenset[str] = frozenset()
        self.view = View(self.standing, self.is_active, self.leaving, self.stands_by)

    def configure(self, plan: DirectorPlan, known: IpvsTable) -> None:
        """Take a plan. `known` is the kernel's table: an undecided server found in it is alive.

        What the plan has in common with the one before, all of it judged, stays as it is.
        """
        before, self._services = self._services, {}
        self._ramping = {}
        self._orders.keep_only(plan.services)
        self._found = frozenset(each.name for each in plan.services if each.key in known)
        drains: list[tuple[Target, float]] = []
        for service in plan.services:
            kept = before.get(service.name)
            if kept is not None and kept.plan is service and _is_judged(kept):
                self._services[service.name] = kept
                self._go_on_ramping(kept, kept)
                still = self._drains.of(service.key)
                drains += (((service.key, each), service.drain_timeout) for each in still)
                continue
            found = known[service.key].destinations if service.key in known else {}
            taken = self._take(service, found, kept)
            self._services[service.name] = taken
            drains += self._drains_of(taken, found)
        self._drains.keep_only(drains)

    def standing(self, service: VirtualService, server: RealServer) -> Standing:
        """What is to become of a server now, for `core.desired`; a detour's always serves."""
        taken = self._services.get(service.name)
        if taken is None:
            return all_up(service, server)
        seat, state = taken.seats[server.key], taken.state
        in_tier = seat.tier == state.tier
        return balance.standing(
            service,
            seat.known,
            in_tier=in_tier,
            panic=in_tier and state.panic,
            draining=seat.leaving and self._drains.has(service.key, server.key),
            elapsed=None if seat.ramp_began is None else self._clock() - seat.ramp_began,
        )

    def stands_by(self, service: VirtualService, server: RealServer) -> bool:
        """Whether a server is alive while another tier serves."""
        taken = self._services.get(service.name)
        if taken is None:
            return False
        seat = taken.seats[server.key]
        return seat.tier != taken.state.tier and balance.share(seat.known).alive_weight > 0

    def is_active(self, service: VirtualService) -> bool:
        """Whether the service is to be in the table; until the router is heard of, if it is."""
        if service.router is None:
            return True
        return self._is_master.get(service.router, service.name in self._found)

    def leaving(self, service: VirtualService) -> Collection[DestinationKey]:
        """What drains in a service and is no longer in the plan."""
        draining = self._drains.of(service.key)
        if not draining:
            return ()
        seats = self._services[service.name].seats
        return [destination for destination in draining if destination not in seats]

    def alive_weight(self, service: VirtualService) -> int:
        return self._services[service.name].tallies[0].alive_weight

    def state(self, service: VirtualService) -> ServiceState:
        return self._services[service.name].state

    def holds(self, service: VirtualService) -> bool | None:
        """Whether the quorum holds; None while verdicts still to come can bring it."""
        taken = self._services[service.name]
        if taken.state.quorum_held:
            return True
        return None if balance.may_come(taken.rule, taken.tallies[0]) else False

    def admin(self, service: VirtualService, server: RealServer) -> Admin:
        """What operator and agent together want of a server."""
        return self._services[service.name].seats[server.key].known.admin

    def changed(self, service: VirtualService, server: RealServer) -> tuple[RealServer, ...]:
        """Count a server anew after a verdict or an order; whom to look at again."""
        taken = self._services[service.name]
        seat = taken.seats[server.key]
        before, seat.known = seat.known, self._know(service, server, seat.kept)
        taken.tallies[seat.tier] += balance.share(seat.known) - balance.share(before)
        self._ramp(taken, seat, before)
        was = taken.state
        taken.state = balance.decide(taken.rule, taken.tallies, was)
        if (was.tier, was.panic) == (taken.state.tier, taken.state.panic):
            moved: Sequence[_Seat] = [seat]
        else:
            moved = list(taken.seats.values())
        tell_change(service, was, taken.state, taken.tallies)
        self._follow(taken, moved)
        return tuple(each.server for each in moved)

    def ramping(self) -> Iterator[tuple[VirtualService, RealServer]]:
        """Servers in a slow start, each the last time when it is over."""
        now = self._clock()
        for target, (taken, seat) in tuple(self._ramping.items()):
            if seat.ramp_began is None or now - seat.ramp_began >= taken.plan.slow_start:
                seat.ramp_began = None
                del self._ramping[target]
            yield taken.plan, seat.server

    def heard(self, vrrp: VrrpStatus) -> tuple[VirtualService, ...]:
        """Take the routers' states; services that come into the table or leave it now."""
        bound = [each.plan for each in self._services.values() if each.plan.router is not None]
        before = [self.is_active(service) for service in bound]
        self._is_master = {router.name: router.state == "MASTER" for router in vrrp.routers}
        after = zip(bound, before, strict=True)
        return tuple(service for service, was in after if self.is_active(service) is not was)

    def _take(
        self,
        service: VirtualService,
        found: Mapping[DestinationKey, Destination],
        before: _Service | None,
    ) -> _Service:
        """A service of a new plan, going on from what it was."""
        taken = _Service(service, balance.rule(service), {}, [])
        for tier, servers in enumerate(service.tiers):
            members = []
            for server in servers:
                key = server.key
                held = found.get(key)
                kept = held is not None and held.weight > 0
                known = self._know(service, server, kept)
                taken.seats[key] = _Seat(server, tier, kept, known)
                members.append(known)
            taken.tallies.append(balance.tally(members))
        if before is None:
            tier = _tier_in(taken)
            taken.state = balance.first_state(taken.rule, taken.tallies, tier)
        else:
            taken.state = balance.decide(taken.rule, taken.tallies, before.state)
            tell_change(service, before.state, taken.state, taken.tallies)
            self._go_on_ramping(taken, before)
        for seat in taken.seats.values():
            seat.leaving = _is_leaving(taken, seat)
        return taken

    def _know(self, service: VirtualService, server: RealServer, kept: bool) -> Member:
        health = self._board.health_of(service, server)
        order = self._orders.of(service, server)
        return balance.member(
            service, server.weight, health.measured, health.advice, order, kept=kept
        )

    def _ramp(self, taken: _Service, seat: _Seat, before: Member) -> None:
        """Begin a slow start where a server comes back; end it where one goes."""
        spared = taken.state.panic and seat.tier == taken.state.tier
        if not balance.serves(seat.known):
            seat.ramp_began = None
        elif balance.returns(taken.plan, before, seat.known) and not spared:
            seat.ramp_began = self._clock()
            self._ramping[taken.plan.key, seat.server.key] = taken, seat

    def _go_on_ramping(self, taken: _Service, before: _Service) -> None:
        for key, seat in before.seats.items():
            if seat.ramp_began is not None and key in taken.seats:
                taken.seats[key].ramp_began = seat.ramp_began
                self._ramping[taken.plan.key, key] = taken, taken.seats[key]

    def _follow(self, taken: _Service, seats: Iterable[_Seat]) -> None:
        """Begin to drain what leaves now, and no longer what serves again."""
        service = taken.plan
        begun, ended = [], []
        for seat in seats:
            was, seat.leaving = seat.leaving, _is_leaving(taken, seat)
            if seat.leaving and not was and balance.drains(service):
                begun.append(((service.key, seat.server.key), service.drain_timeout))
            elif was and not seat.leaving:
                ended.append((service.key, seat.server.key))
        self._drains.begin(begun)
        self._drains.end(ended)

    def _drains_of(
        self, taken: _Service, found: Mapping[DestinationKey, Destination]
    ) -> Iterator[tuple[Target, float]]:
        """What of the kernel's table is to leave in time: who is not in the plan, too."""
        service = taken.plan
        if not balance.drains(service):
            return
        for key in found:
            if key not in taken.seats or taken.seats[key].leaving:
                yield (service.key, key), service.drain_timeout


def _is_judged(taken: _Service) -> bool:
    return all(seat.known.judged for seat in taken.seats.values())


def _is_leaving(taken: _Service, seat: _Seat) -> bool:
    return balance.is_leaving(taken.plan, seat.known, seat.tier == taken.state.tier)


def _tier_in(taken: _Service) -> int:
    """The tier that serves in the kernel; the real servers where none does."""
    return min((seat.tier for seat in taken.seats.values() if seat.kept), default=0)
