"""core.balance against a reference that looks at every server each time, and at one thing a time.

The reference knows no sums: it walks the servers, so that a tally that drifts is found out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsha.core import balance
from lvsha.core.balance import Member, Order, Role, ServiceState, Tally
from lvsha.core.health import Admin, Advice, Measured
from lvsha.core.plan import Initial, RealServer, VirtualService
from lvsha.core.types import (
    Family,
    Forwarding,
    FwmarkKey,
    OnFailure,
    Protocol,
    Service,
    ServiceKey,
)

UNKNOWN, UP, DOWN = Measured.UNKNOWN, Measured.UP, Measured.DOWN
ENABLED, DRAIN, DISABLED = Admin.ENABLED, Admin.DRAIN, Admin.DISABLED
KEY = ServiceKey(Protocol.TCP, ip_address("192.0.2.1"), 80)


def servers(weights: list[int], net: int = 0) -> tuple[RealServer, ...]:
    return tuple(
        RealServer(ip_address(f"10.0.{net}.{n}"), 80, Forwarding.DR, weight)
        for n, weight in enumerate(weights, 1)
    )


def service(weights: list[int], *tiers: list[int], **more: object) -> VirtualService:
    backups = tuple(servers(tier, net) for net, tier in enumerate(tiers, 1))
    return VirtualService("web", Service(KEY), servers(weights), backups=backups, **more)  # type: ignore[arg-type]


def members(service: VirtualService, states: list[list[Measured]]) -> list[list[Member]]:
    return [
        [Member(m, ENABLED, s.weight) for m, s in zip(tier, at, strict=True)]
        for tier, at in zip(states, service.tiers, strict=True)
    ]


def tally(known: list[Member]) -> Tally:
    return sum((balance.share(each) for each in known), Tally())


# --- the reference ---------------------------------------------------------------------------


@dataclass
class Reference:
    """Who serves, told the slow way round."""

    service: VirtualService
    held: bool = False
    tier: int = 0
    panic: bool = False

    def see(self, tiers: list[list[Member]]) -> None:
        alive = [sum(m.weight for m in tier if self._alive(m)) for tier in tiers]
        waiting = [m for m in tiers[0] if self._waiting(m)]
        possible = sum(server.weight for server in self.service.real_servers)
        quorum = min(self.service.quorum, max(possible, 1))
        if self.held:
            self.held = alive[0] > 0 and alive[0] >= quorum - self.service.hysteresis
        else:
            enough = min(quorum + self.service.hysteresis, max(possible, 1))
            self.held = alive[0] >= enough
        may_come = alive[0] + sum(m.weight for m in waiting)
        enough = min(quorum + self.service.hysteresis, max(possible, 1))
        if self.held:
            self.tier = 0
        elif not (any(m.weight for m in waiting) and may_come >= enough):
            self.tier = ([n for n in range(1, len(tiers)) if alive[n]] + [0])[0]
        counted = [m for m in tiers[self.tier] if m.admin is ENABLED]
        down = [m for m in counted if m.measured is DOWN]
        limit = self.service.panic_threshold
        self.panic = bool(limit and counted and 100 * len(down) / len(counted) > limit)

    @staticmethod
    def _alive(m: Member) -> bool:
        return m.admin is ENABLED and (m.measured is UP or m.kept)

    @staticmethod
    def _waiting(m: Member) -> bool:
        return m.admin is ENABLED and m.measured is UNKNOWN and not m.kept


@st.composite
def services(draw: st.DrawFn) -> VirtualService:
    weights = st.lists(st.integers(0, 3), min_size=1, max_size=5)
    quorum = draw(st.integers(1, 8))
    return service(
        draw(weights),
        *draw(st.lists(weights, max_size=2)),
        quorum=quorum,
        hysteresis=draw(st.integers(0, quorum - 1)),
        panic_threshold=draw(st.sampled_from([0, 25, 50, 75, 99])),
    )


known = st.builds(
    Member,
    st.sampled_from(Measured),
    st.sampled_from([ENABLED, ENABLED, ENABLED, DRAIN, DISABLED]),
    st.integers(0, 4),
).flatmap(lambda m: st.booleans().map(lambda kept: replace(m, kept=kept and m.measured is UNKNOWN)))


@given(services(), st.data())
def test_any_sequence_of_changes_comes_to_what_walking_all_servers_each_time_comes_to(
    service, data
):
    tiers = [[data.draw(known) for _ in tier] for tier in service.tiers]
    tallies = [tally(tier) for tier in tiers]
    rule = balance.rule(service)
    reference = Reference(service)
    state = ServiceState()
    for _ in range(data.draw(st.integers(1, 12))):
        state = balance.decide(rule, tallies, state)
        reference.see(tiers)
        assert state == ServiceState(reference.held, reference.tier, reference.panic)
        tier = data.draw(st.integers(0, len(tiers) - 1))
        place = data.draw(st.integers(0, len(tiers[tier]) - 1))
        after = data.draw(known)
        tallies[tier] += balance.share(after) - balance.share(tiers[tier][place])
        tiers[tier][place] = after


@given(services(), st.data())
def test_a_tier_that_stands_in_has_a_live_server_once_all_are_judged(service, data):
    judged = st.sampled_from([UP, DOWN])
    tiers = members(service, [[data.draw(judged) for _ in tier] for tier in service.tiers])
    tallies = [tally(tier) for tier in tiers]
    state = balance.decide(balance.rule(service), tallies, ServiceState())
    if state.tier:
        assert tallies[state.tier].alive_weight > 0
        assert not any(tallies[n].alive_weight for n in range(1, state.tier))


# --- quorum ----------------------------------------------------------------------------------


def walk(service: VirtualService, counts: list[int]) -> list[bool]:
    """Whether the quorum holds while so many of the servers are up, one after the other."""
    state, found = ServiceState(), []
    for count in counts:
        states = [UP] * count + [DOWN] * (len(service.real_servers) - count)
        tallies = [tally(members(service, [states])[0])]
        state = balance.decide(balance.rule(service), tallies, state)
        found.append(state.quorum_held)
    return found


def test_hysteresis_keeps_the_quorum_below_and_asks_for_more_above():
    three = service([1] * 5, quorum=3, hysteresis=1)
    assert walk(three, [5, 3, 2, 1, 2, 3, 4]) == [True, True, True, False, False, False, True]


def test_without_hysteresis_both_thresholds_are_the_quorum():
    assert walk(service([1] * 4, quorum=2), [2, 1, 2, 0]) == [True, False, True, False]


def test_the_quorum_is_lost_with_the_last_server_whatever_the_hysteresis():
    assert walk(service([1, 1], quorum=2, hysteresis=1), [2, 1, 0]) == [True, True, False]


def test_no_more_is_asked_than_all_servers_together_can_give():
    assert walk(service([1, 1], quorum=9), [2, 1]) == [True, False]
    assert walk(service([2, 2], quorum=3, hysteresis=2), [2, 1, 0, 1, 2])[-1]


def test_a_service_found_serving_with_the_quorum_has_it_without_the_hysteresis_on_top():
    rule = balance.rule(service([1, 1, 1], quorum=2, hysteresis=1))
    assert balance.first_state(rule, [Tally(alive_weight=2, servers=3)], 0).quorum_held
    assert not balance.first_state(rule, [Tally(alive_weight=1, servers=3)], 0).quorum_held


# --- tiers -----------------------------------------------------------------------------------


def tier_of(service: VirtualService, *states: list[Measured], before: int = 0) -> int:
    tallies = [tally(tier) for tier in members(service, list(states))]
    return balance.decide(balance.rule(service), tallies, ServiceState(False, before)).tier


TWO_TIERS = service([1, 1], [1], [1])


def test_the_nearest_tier_that_lives_stands_in_and_the_real_servers_come_back():
    assert tier_of(TWO_TIERS, [DOWN, DOWN], [UP], [UP]) == 1
    assert tier_of(TWO_TIERS, [DOWN, DOWN], [DOWN], [UP]) == 2
    assert tier_of(TWO_TIERS, [UP, DOWN], [UP], [UP], before=1) == 0


def test_without_a_live_tier_what_lives_of_the_real_servers_serves():
    picky = replace(TWO_TIERS, quorum=2)
    assert tier_of(picky, [UP, DOWN], [DOWN], [DOWN]) == 0
    assert tier_of(picky, [UP, DOWN], [UP], [DOWN]) == 1


def test_backups_wait_while_verdicts_to_come_may_bring_the_quorum():
    assert tier_of(TWO_TIERS, [UNKNOWN, UNKNOWN], [UP], [UP]) == 0
    assert tier_of(TWO_TIERS, [UNKNOWN, DOWN], [UP], [UP], before=1) == 1
    assert tier_of(replace(TWO_TIERS, quorum=2), [UNKNOWN, DOWN], [UP], [UP]) == 1


# --- a server's place ------------------------------------------------------------------------

WEB = service([5])


def stand(known: Member, of: VirtualService = WEB, **more) -> tuple[Role, int]:
    found = balance.standing(of, known, **{"in_tier": True, **more})
    return found.role, found.weight


@pytest.mark.parametrize(
    ("known", "more", "wanted"),
    [
        (Member(UP, ENABLED, 5), {}, (Role.SERVE, 5)),
        (Member(UNKNOWN, ENABLED, 5), {}, (Role.KEEP, 0)),
        (Member(DOWN, ENABLED, 5), {}, (Role.FAIL, 0)),
        (Member(DOWN, ENABLED, 5), {"panic": True}, (Role.SERVE, 5)),
        (Member(UP, DRAIN, 5), {"draining": True}, (Role.DRAIN, 0)),
        (Member(UP, DRAIN, 5), {}, (Role.OUT, 0)),
        (Member(DOWN, DRAIN, 5), {"panic": True, "draining": True}, (Role.DRAIN, 0)),
        (Member(UP, DISABLED, 5), {"draining": True}, (Role.FAIL, 0)),
        (Member(DOWN, DISABLED, 5), {"panic": True}, (Role.FAIL, 0)),
        (Member(UP, ENABLED, 5), {"in_tier": False, "draining": True}, (Role.DRAIN, 0)),
        (Member(UP, ENABLED, 5), {"in_tier": False}, (Role.OUT, 0)),
        (Member(DOWN, ENABLED, 5), {"in_tier": False, "draining": True}, (Role.FAIL, 0)),
    ],
)
def test_measured_and_wanted_together_make_a_place(known, more, wanted):
    assert stand(known, **more) == wanted


def test_a_failed_server_of_a_tier_at_rest_keeps_its_connections_where_failure_means_that():
    quiet = replace(WEB, on_failure=OnFailure.QUIESCE)
    down = Member(DOWN, ENABLED, 5)
    assert stand(down, quiet, in_tier=False, draining=True) == (Role.DRAIN, 0)
    assert stand(down, quiet, in_tier=False) == (Role.OUT, 0)


@pytest.mark.parametrize(
    ("operator", "agent", "wanted"),
    [
        (ENABLED, None, ENABLED),
        (DRAIN, None, DRAIN),
        (ENABLED, DRAIN, DRAIN),
        (DRAIN, ENABLED, DRAIN),
        (DRAIN, DISABLED, DISABLED),
        (DISABLED, DRAIN, DISABLED),
    ],
)
def test_operator_and_agent_can_each_take_a_server_out(operator, agent, wanted):
    advice = Advice(admin=agent)
    assert balance.member(WEB, 5, UP, advice, Order(operator)).admin is wanted


@pytest.mark.parametrize(
    ("advice", "weight"),
    [
        (None, 5),
        (Advice(), 5),
        (Advice(weight_percent=50), 3),
        (Advice(weight_percent=1), 1),
        (Advice(weight_percent=0), 0),
        (Advice(weight_percent=200), 10),
        (Advice(weight=7), 7),
        (Advice(weight=0), 0),
        (Advice(weight=99999), 65535),
    ],
)
def test_advice_stands_in_for_the_weight_or_takes_a_share_of_it(advice, weight):
    assert balance.member(WEB, 5, UP, advice, Order()).weight == weight


def test_an_operators_weight_stands_in_for_the_files_and_advice_takes_its_share_of_that():
    order = Order(weight=20)
    assert balance.member(WEB, 5, UP, None, order).weight == 20
    assert balance.member(WEB, 5, UP, Advice(weight_percent=25), order).weight == 5


@pytest.mark.parametrize(
    ("initial", "measured"),
    [(Initial.KERNEL, UNKNOWN), (Initial.UP, UP), (Initial.DOWN, DOWN)],
)
def test_until_the_first_verdict_a_server_counts_as_the_file_says(initial, measured):
    found = balance.member(replace(WEB, initial=initial), 5, UNKNOWN, None, Order(), kept=True)
    assert (found.measured, found.judged, found.kept) == (
        measured,
        False,
        initial is Initial.KERNEL,
    )


# --- slow start ------------------------------------------------------------------------------


@given(st.integers(0, 65535), st.floats(0, 200), st.floats(0, 50), st.floats(1, 100))
def test_a_ramp_rises_from_1_and_ends_at_the_weight(weight, elapsed, later, slow_start):
    now = balance.ramped_weight(weight, elapsed, slow_start)
    after = balance.ramped_weight(weight, elapsed + later, slow_start)
    assert min(weight, 1) <= now <= after <= weight
    assert balance.ramped_weight(weight, slow_start, slow_start) == weight
    if elapsed < slow_start:
        step = weight / balance.RAMP_STEPS
        line = weight * elapsed / slow_start
        assert line - step - 1 <= now <= max(1, line + 1)


@pytest.mark.parametrize(
    ("before", "now", "returns"),
    [
        (Member(DOWN, ENABLED, 5), Member(UP, ENABLED, 5), True),
        (Member(UP, DISABLED, 5), Member(UP, ENABLED, 5), True),
        (Member(UNKNOWN, ENABLED, 5, judged=False), Member(UP, ENABLED, 5), False),
        (Member(DOWN, ENABLED, 5, judged=False), Member(UP, ENABLED, 5), False),
        (Member(UP, DRAIN, 5), Member(UP, ENABLED, 5), False),
        (Member(DOWN, ENABLED, 5), Member(UP, DRAIN, 5), False),
        (Member(UP, ENABLED, 5), Member(UP, ENABLED, 9), False),
    ],
)
def test_a_slow_start_is_for_servers_that_were_out_and_never_at_the_start(before, now, returns):
    slow = replace(WEB, slow_start=10.0)
    assert balance.returns(slow, before, now) is returns
    assert not balance.returns(WEB, before, now)
    assert not balance.returns(replace(slow, service=Service(KEY, "mh")), before, now)


# --- leaving ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "timeout", "drains"),
    [
        (KEY, 60.0, True),
        (replace(KEY, protocol=Protocol.SCTP), 60.0, True),
        (replace(KEY, protocol=Protocol.UDP), 60.0, False),
        (FwmarkKey(Family.IPV4, 7), 60.0, True),
        (KEY, 0.0, False),
    ],
)
def test_what_has_connections_drains_and_datagrams_do_not(key, timeout, drains):
    leaving = replace(WEB, service=Service(key), drain_timeout=timeout)
    assert balance.drains(leaving) is drains
