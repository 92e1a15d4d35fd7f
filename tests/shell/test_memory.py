"""What only the twin can show: traffic that was observed, and what the kernel keeps to itself."""

from __future__ import annotations

import errno
from dataclasses import replace
from ipaddress import ip_address

import pytest

from lvsha.core.commands import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    SetDestination,
)
from lvsha.core.types import (
    Destination,
    DestinationKey,
    DestinationStatus,
    Protocol,
    Service,
    ServiceKey,
    Stats,
)
from lvsha.kernel.memory import MemoryIpvs

WEB = ServiceKey(Protocol.TCP, ip_address("192.0.2.1"), 80)
HERE = Destination(DestinationKey(ip_address("10.0.0.1"), 80), weight=3)
BUSY = DestinationStatus(HERE, 5, 6, 7, Stats(connections=11))


@pytest.fixture
def twin() -> MemoryIpvs:
    twin = MemoryIpvs()
    assert twin.apply([AddService(Service(WEB)), AddDestination(WEB, HERE)]) == ()
    twin.observe(WEB, BUSY)
    return twin


def test_what_was_observed_is_told_and_is_no_setting(twin: MemoryIpvs) -> None:
    heavier = replace(HERE, weight=9)
    twin.observe(WEB, replace(BUSY, destination=heavier))
    assert twin.destinations(WEB) == (BUSY,)
    twin.apply([SetDestination(WEB, heavier)])
    assert twin.destinations(WEB) == (replace(BUSY, destination=heavier),)


def test_counters_come_back_from_the_trash_to_the_same_service_only(twin: MemoryIpvs) -> None:
    again = [DeleteDestination(WEB, HERE.key), AddDestination(WEB, HERE)]
    assert twin.apply(again) == ()
    assert twin.destinations(WEB) == (BUSY,)
    again = [DeleteService(WEB), AddService(Service(WEB)), AddDestination(WEB, HERE)]
    assert twin.apply(again) == ()
    assert twin.destinations(WEB) == (replace(BUSY, stats=Stats()),)


def test_the_last_weight_that_was_not_0_is_remembered(twin: MemoryIpvs) -> None:
    quiesced = SetDestination(WEB, replace(HERE, weight=0))
    twin.apply([quiesced])
    assert twin.last_weight(WEB, HERE.key) == 3
    twin.apply([SetDestination(WEB, replace(HERE, weight=4)), quiesced])
    assert twin.last_weight(WEB, HERE.key) == 4
    added = AddDestination(WEB, replace(HERE, weight=0))
    twin.apply([DeleteDestination(WEB, HERE.key), added])
    assert twin.last_weight(WEB, HERE.key) == 0


def test_a_twin_has_the_schedulers_and_engines_it_was_given() -> None:
    twin = MemoryIpvs(schedulers={"rr"}, engines={""})
    asked = [
        AddService(Service(WEB, "wlc")),
        AddService(Service(WEB, "rr", persistence_engine="sip")),
        AddService(Service(WEB, "rr")),
    ]
    assert [refusal.errno for refusal in twin.apply(asked)] == [errno.ENOENT, errno.ENOENT]
    assert len(twin.services()) == 1
