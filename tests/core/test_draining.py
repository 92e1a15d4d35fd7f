"""core.draining: a destination is removed when nothing needs it, or when its time is up."""

from __future__ import annotations

from ipaddress import ip_address

from lvsha.core.draining import QUIET, Drain, look
from lvsha.core.types import Destination, DestinationKey, DestinationStatus, Stats

KEY = DestinationKey(ip_address("10.0.0.1"), 80)


def status(active: int, inactive: int, packets: int = 0, weight: int = 0) -> DestinationStatus:
    return DestinationStatus(
        Destination(KEY, weight=weight), active, inactive, stats=Stats(in_packets=packets)
    )


def looks(*statuses: DestinationStatus | None, deadline: float = 60.0) -> int | None:
    """How many looks, a second apart, until it is over; None: it is not."""
    drain = Drain(deadline)
    for now, found in enumerate(statuses):
        seen = look(drain, found, float(now))
        if seen is None:
            return now
        drain = seen
    return None


def test_without_a_connection_it_is_over_at_once():
    assert looks(status(0, 0)) == 0


def test_one_that_is_gone_from_the_kernel_is_over():
    assert looks(None) == 0


def test_active_connections_are_waited_for():
    assert looks(*[status(1, 0)] * 30) is None
    assert looks(*[status(2, 0)] * 5, status(0, 0)) == 5


def test_connections_that_have_ended_are_not_waited_for_when_nothing_moves():
    assert looks(status(1, 0, 7), *[status(0, 1, 9)] * 20) == 1 + QUIET


def test_a_half_closed_connection_with_packets_is_waited_for():
    assert looks(*[status(0, 1, packets) for packets in range(40)]) is None


def test_nothing_waits_beyond_the_deadline():
    assert looks(*[status(1, 1, n) for n in range(20)], deadline=10.0) == 10


def test_a_destination_that_may_still_be_given_connections_has_not_drained():
    assert looks(*[status(0, 0, weight=1)] * 9) is None
    assert looks(*[status(0, 0, weight=1)] * 9, deadline=5.0) == 5
