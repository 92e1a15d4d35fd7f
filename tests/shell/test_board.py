"""The board: what a verdict of one check means for servers with several."""

from __future__ import annotations

from ipaddress import ip_address

from lvsha.core.health import Health, Measured
from lvsha.core.plan import Check, RealServer, Required, VirtualService
from lvsha.core.probes import HttpProbe, TcpProbe
from lvsha.core.types import Forwarding, Protocol, Service, ServiceKey
from lvsha.director.board import Board

UNKNOWN, UP, DOWN = Measured.UNKNOWN, Measured.UP, Measured.DOWN
ADDRESS = ip_address("10.0.0.1")
TCP, HTTP = Check(TcpProbe(), ADDRESS, 80), Check(HttpProbe(), ADDRESS, 80)
KEY = ServiceKey(Protocol.TCP, ip_address("192.0.2.1"), 80)


class Bench:
    """A board, and the health its checks have."""

    def __init__(self, *checks: Check, required: Required = Required.ALL) -> None:
        self.found: dict[Check, Health] = {}
        self.at = 0.0
        self.board = Board(lambda check: self.found.get(check, Health()))
        self.configure(*checks, required=required)

    def configure(self, *checks: Check, required: Required = Required.ALL) -> None:
        self.server = RealServer(ADDRESS, 80, Forwarding.DR, checks=checks, required=required)
        self.service = VirtualService("web", Service(KEY, "rr"), (self.server,))
        self.board.update([self.service])

    def verdict(self, check: Check, measured: Measured) -> list[tuple[Measured, Measured]]:
        self.at += 1
        old, new = self.found.get(check, Health()), Health(measured, since=self.at)
        self.found[check] = new
        told = self.board.judged(check, old, new)
        return [(each.old.measured, each.new.measured) for each in told]

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
