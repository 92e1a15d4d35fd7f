"""What a gate remembers of a steady master and of its own words makes no difference to anybody."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_interface

import pytest

from lvsha.core import advert
from lvsha.core.advert import GROUP
from lvsha.core.authentication import HmacKey, HmacKeys
from lvsha.core.plan import VirtualRouter
from lvsha.core.types import Family
from lvsha.kernel.ports import Packet
from lvsha.vrrp.gate import Gate

OURS, THEIRS = ip_address("192.0.2.1"), ip_address("192.0.2.2")
TO = GROUP[Family.IPV4]
VR = VirtualRouter(
    "web", 51, "eth0", Family.IPV4, 100, (ip_interface("192.0.2.100/32"),), source=OURS
)


@pytest.fixture
def said():
    return []


@pytest.fixture
def gate(said):
    return Gate(VR, lambda event, *_, **__: said.append(event))


def packet(vr=VR, priority=150, ttl=255):
    return Packet(advert.encode(advert.of(vr, priority), THEIRS, TO), THEIRS, TO, ttl)


def test_a_packet_that_comes_again_says_the_same_and_counts_again(gate, said):
    first = gate.judge(packet())
    assert [gate.judge(packet()) for _ in range(3)] == [first] * 3
    assert gate.counters == {"received": 4, "checksum_with_pseudo_header": 4}
    assert (gate.peers[0].priority, said) == (150, [])


def test_the_same_bytes_from_too_far_away_are_dropped(gate, said):
    gate.judge(packet())
    assert gate.judge(packet(ttl=254)) is None
    assert (gate.counters["ttl"], said) == (1, ["vrrp.dropped"])


def test_another_priority_between_two_packets_is_seen_and_so_is_its_end(gate):
    seen = []
    for priority in (150, 0, 150):
        gate.judge(packet(priority=priority))
        seen.append(gate.peers[0].priority)
    assert seen == [150, 0, 150]


def test_what_is_warned_of_is_warned_of_each_time(gate, said):
    other = replace(VR, addresses=(ip_interface("192.0.2.200/32"),))
    for _ in range(3):
        assert gate.judge(packet(other)) is not None
    assert (gate.counters["address_list"], said) == (3, ["vrrp.mismatch"] * 3)


def test_other_parameters_let_what_passed_be_judged_anew(gate, said):
    gate.judge(packet())
    gate.reconfigure(replace(VR, version=2))
    assert gate.judge(packet()) is None
    assert said == ["vrrp.dropped"]


def test_our_own_words_follow_parameters_and_priority(gate):
    def spoken(priority, source):
        ((to, message),) = gate.messages(priority, source)
        return to, advert.decode(message, source, to, 255)

    assert spoken(100, OURS) == (TO, advert.of(VR, 100))
    assert spoken(100, OURS) == (TO, advert.of(VR, 100))
    assert spoken(0, OURS) == (TO, advert.of(VR, 0))
    other = replace(VR, addresses=(ip_interface("192.0.2.200/32"),), source=THEIRS)
    gate.reconfigure(other)
    assert spoken(100, THEIRS) == (TO, advert.of(other, 100))


def test_peers_are_each_told_in_bytes_that_verify_for_them(gate):
    peers = (ip_address("192.0.2.7"), ip_address("192.0.2.8"))
    gate.reconfigure(replace(VR, peers=peers))
    for _ in range(2):
        told = gate.messages(100, OURS)
        assert tuple(to for to, _ in told) == peers
        for to, message in told:
            advert.decode(message, OURS, to, 255)


def test_with_keys_no_two_messages_are_the_same_and_none_passes_twice(gate, said):
    keyed = replace(VR, authentication=HmacKeys((HmacKey(1, "", bytes(range(32))),), 1))
    gate.reconfigure(keyed)
    theirs = Gate(replace(keyed, source=THEIRS), lambda *_, **__: None)
    ((_, first),), ((_, second),) = (theirs.messages(150, THEIRS) for _ in range(2))
    assert first != second
    passed = [gate.judge(Packet(each, THEIRS, TO, 255)) for each in (first, first, second)]
    assert [ad is not None for ad in passed] == [True, False, True]
    assert said == ["vrrp.dropped"]
