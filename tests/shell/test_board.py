"""The board: what a verdict of one check means for servers with several."""

from __future__ import annotations

from ipaddress import ip_address

from lvsha.core.health import Health, Measured
from lvsha.core.plan import Check, Damping, RealServer, Required, VirtualService
from lvsha.core.probes import HttpProbe, TcpProbe
from lvsha.core.types import Forwarding, Protocol, Service, ServiceKey
from lvsha.director.board import Board

UNKNOWN, UP, DOWN = Measured.UNKNOWN, Measured.UP, Measured.DOWN
ADDRESS = ip_address("10.0.0.1")
TCP, HTTP = Check(TcpProbe(), ADDRESS, 80), Check(HttpProbe(), ADDRESS, 80)
KEY = ServiceKey(Protocol.TCP, ip_address("192.0.2.1"), 80)


class Bench:
    """A board, and the health its checks have."""

    def __init__(
        self, *checks: Check, required: Required = Required.ALL, damping: Damping | None = None
    ) -> None:
        self.found: dict[Check, Health] = {}
        self.at = 0.0
        self.damped = 0
        health = lambda check: self.found.get(check, Health())  # noqa: E731
        self.board = Board(health, lambda: self.at, lambda: self.at)
        self.configure(*checks, required=required, damping=damping)

    def configure(
        self, *checks: Check, required: Required = Required.ALL, damping: Damping | None = None
    ) -> None:
        self.server = RealServer(ADDRESS, 80, Forwarding.DR, checks=checks, required=required)
        service = Service(KEY, "rr")
        self.service = VirtualService("web", service, (self.server,), damping=damping)
        self.board.update([self.service])

    def verdict(self, check: Check, measured: Measured) -> list[tuple[Measured, Measured]]:
        self.at += 1
        old, new = self.found.get(check, Health()), Health(measured, since=self.at)
        self.found[check] = new
        told = list(self.board.judged(check, old, new))
        self.damped += sum(each.damped for each in told)
        return [(each.old.measured, each.new.measured) for each in told]

    def released(self) -> list[tuple[Measured, Measured]]:
        return [(each.old.measured, each.new.measured) for each in self.board.released()]

    @property
    def health(self) -> Health:
        return self.board.health_of(self.service, self.server)


def test_a_server_with_one_check_fares_as_its_check() -> None:
    bench = Bench(TCP)
    assert bench.verdict(TCP, DOWN) == [(UNKNOWN, DOWN)]
    assert bench.health == bench.found[TCP]


def test_only_the_change_of_the_whole_is_told() -> None:
    bench = Bench(TCP, HTTP)
    assert bench.verdict(TCP, UP) == []
    assert bench.verdict(HTTP, UP) == [(UNKNOWN, UP)]
    assert bench.verdict(HTTP, DOWN) == [(UP, DOWN)]
    assert bench.verdict(TCP, DOWN) == []
    assert bench.verdict(HTTP, UP) == []
    assert bench.verdict(TCP, UP) == [(DOWN, UP)]


def test_the_server_is_down_since_the_first_failure_though_another_followed() -> None:
    bench = Bench(TCP, HTTP)
    for check, measured in ((TCP, UP), (HTTP, UP), (TCP, DOWN), (HTTP, DOWN), (TCP, UP)):
        bench.verdict(check, measured)
    assert (bench.health.measured, bench.health.since) == (DOWN, 3.0)


def test_any_check_that_passes_suffices_where_the_file_says_so() -> None:
    bench = Bench(TCP, HTTP, required=Required.ANY)
    assert bench.verdict(TCP, UP) == [(UNKNOWN, UP)]
    assert bench.verdict(HTTP, DOWN) == []
    assert bench.verdict(TCP, DOWN) == [(UP, DOWN)]


def test_a_check_added_by_a_reload_is_waited_for_and_its_verdict_told() -> None:
    """Between the reload and that verdict nothing is known, and the change from there is told."""
    bench = Bench(TCP, HTTP)
    third = Check(TcpProbe(), ADDRESS, 81)
    bench.verdict(TCP, UP)
    bench.verdict(HTTP, UP)
    bench.configure(TCP, HTTP, third)
    assert bench.health.measured is UNKNOWN
    assert bench.verdict(third, UP) == [(UNKNOWN, UP)]


def test_a_reload_that_leaves_a_server_alone_leaves_its_time_alone() -> None:
    bench = Bench(TCP, HTTP)
    for check, measured in ((TCP, UP), (HTTP, UP), (TCP, DOWN), (HTTP, DOWN), (TCP, UP)):
        bench.verdict(check, measured)
    bench.configure(TCP, HTTP)
    assert bench.health.since == 3.0


CALM = Damping(transitions=3, window=10.0, hold=30.0)


def flapping(*last: Measured) -> Bench:
    """Up at 1 s, down at 2, up at 3, then these, one a second."""
    bench = Bench(TCP, damping=CALM)
    for measured in (UP, DOWN, UP, *last):
        bench.verdict(TCP, measured)
    return bench


def test_a_server_that_flaps_is_held_down_with_the_change_that_is_one_too_many() -> None:
    bench = flapping()
    assert bench.damped == 0
    assert bench.verdict(TCP, DOWN) == [(UP, DOWN)]
    assert bench.damped == 1
    assert (bench.health.measured, bench.health.since) == (DOWN, 4.0)
    assert bench.health.message.startswith("held down for 30 s more after 3 changes in 10 s; ")


def test_what_its_checks_say_while_it_is_held_is_not_told() -> None:
    bench = flapping(DOWN)
    assert bench.verdict(TCP, UP) == []
    assert bench.verdict(TCP, DOWN) == []
    assert (bench.health.measured, bench.health.since, bench.damped) == (DOWN, 4.0, 1)


def test_a_recovery_one_too_many_leaves_it_down_since_it_was() -> None:
    """The third change is from down to up: no transition, but the hold is told."""
    bench = Bench(TCP, damping=CALM)
    bench.verdict(TCP, DOWN)
    bench.verdict(TCP, UP)
    bench.verdict(TCP, DOWN)
    assert bench.verdict(TCP, UP) == [(DOWN, DOWN)]
    assert bench.damped == 1
    assert (bench.health.measured, bench.health.since) == (DOWN, 3.0)


def test_it_is_let_go_in_time_and_then_as_its_checks_say() -> None:
    bench = flapping(DOWN, UP)
    bench.at = 33.9
    assert bench.released() == []
    bench.at = 34.0
    assert bench.released() == [(DOWN, UP)]
    assert (bench.health.measured, bench.health.since) == (UP, 34.0)
    assert bench.released() == []


def test_one_still_down_when_let_go_is_no_change() -> None:
    bench = flapping(DOWN)
    bench.at = 40.0
    assert bench.released() == []
    assert "held" not in bench.health.message
    assert bench.verdict(TCP, UP) == [(DOWN, UP)]


def test_once_let_go_its_record_is_clean() -> None:
    bench = flapping(DOWN, UP)
    bench.at = 34.0
    bench.released()
    bench.verdict(TCP, DOWN)
    bench.verdict(TCP, UP)
    assert bench.damped == 1
    bench.verdict(TCP, DOWN)
    assert bench.damped == 2


def test_a_reload_leaves_it_held_unless_damping_is_gone_from_the_file() -> None:
    bench = flapping(DOWN, UP)
    bench.configure(TCP, damping=CALM)
    assert bench.health.measured is DOWN
    bench.configure(TCP)
    assert bench.health.measured is UP
    bench.at = 100.0
    assert bench.released() == []
