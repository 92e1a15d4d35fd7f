"""What a start would find at best: every server up, and the orders operators gave in force."""

from __future__ import annotations

from pathlib import Path

from lvsha.core import balance
from lvsha.core.balance import Member, Standing
from lvsha.core.desired import View
from lvsha.core.health import Measured
from lvsha.core.plan import RealServer, VirtualService
from lvsha.core.types import DestinationKey, Key
from lvsha.director.orders import Orders


def outlook(runtime_dir: Path) -> View:
    """The view of a director that is not there; orders are read from its runtime directory."""
    orders = Orders(runtime_dir)
    serving: dict[Key, frozenset[DestinationKey]] = {}

    def judge(service: VirtualService, server: RealServer) -> Standing:
        if service.key not in serving:
            serving[service.key] = _tier_that_serves(service, orders)
        return balance.standing(
            service,
            _member(service, server, orders),
            in_tier=server.key in serving[service.key],
            draining=balance.drains(service),
        )

    return View(judge, lambda service: service.router is None)


def _tier_that_serves(service: VirtualService, orders: Orders) -> frozenset[DestinationKey]:
    tallies = [
        balance.tally(_member(service, server, orders) for server in tier) for tier in service.tiers
    ]
    state = balance.first_state(balance.rule(service), tallies, 0)
    return frozenset(server.key for server in service.tiers[state.tier])


def _member(service: VirtualService, server: RealServer, orders: Orders) -> Member:
    order = orders.of(service, server)
    return balance.member(service, server.weight, Measured.UP, None, order)
