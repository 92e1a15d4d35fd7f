"""Garbage at the gate: no exception, no effect, and one counter for every packet."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from ipaddress import ip_address, ip_interface

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lvsha.core import advert, trailer
from lvsha.core.authentication import HmacKey, HmacKeys, Password
from lvsha.core.plan import VirtualRouter
from lvsha.core.types import Address, Family
from lvsha.kernel.ports import Packet
from lvsha.vrrp.gate import Gate
from lvsha.vrrp.receiver import Receiver

OURS, THEIRS = ip_address("192.0.2.1"), ip_address("192.0.2.2")
OURS6, THEIRS6 = ip_address("fe80::1"), ip_address("fe80::2")
VIPS = (ip_interface("192.0.2.100"), ip_interface("192.0.2.101"))
VIPS6 = (ip_interface("fe80::100"), ip_interface("2001:db8::100"))
KEYS = HmacKeys((HmacKey(1, "", b"k" * 32),), 1)

V3 = VirtualRouter("web", 51, "eth0", Family.IPV4, 100, VIPS, source=OURS)
V6 = replace(V3, family=Family.IPV6, addresses=VIPS6, source=OURS6)
KINDS = {
    "v2": replace(V3, version=2),
    "v2 PASS": replace(V3, version=2, authentication=Password("secret12")),
    "v3": V3,
    "v3 IPv6": V6,
    "v3 signed": replace(V3, authentication=KEYS),
    "v3 IPv6 signed": replace(V6, authentication=KEYS),
    "v3 unicast": replace(V3, peers=(THEIRS,)),
}

every_kind = pytest.mark.parametrize("vr", KINDS.values(), ids=KINDS)
alone = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
minutes = settings(alone, max_examples=6_000)
long = [pytest.mark.long, pytest.mark.timeout(600)]


def good(vr: VirtualRouter) -> Packet:
    """What a peer of `vr` would send now."""
    source: Address = THEIRS if vr.family is Family.IPV4 else THEIRS6
    destination = vr.source if vr.peers else advert.GROUP[vr.family]
    assert destination is not None
    ad = advert.of(vr, 200)
    tail = b""
    if isinstance(vr.authentication, HmacKeys):
        sequence = trailer.sequence_after(0, time.time_ns(), 5)
        message = advert.encode(ad, source, destination)
        tail = trailer.sign(vr.authentication, message, source, sequence)
    return Packet(advert.encode(ad, source, destination, tail), source, destination, 255)


def judged(vr: VirtualRouter, packet: Packet) -> bool:
    """Whether it is admitted; either way it is counted once, and a drop is said once."""
    said: list[str] = []
    gate = Gate(vr, lambda event, *_, **__: said.append(event))
    ad = gate.judge(packet)
    drops = sum(
        count
        for cause, count in gate.counters.items()
        if cause not in ("received", "address_list", "interval_learned")
        and not cause.startswith("checksum_")
    )
    assert (gate.counters["received"], drops) == ((1, 0) if ad else (0, 1))
    assert said.count("vrrp.dropped") == drops
    return ad is not None


def mutated(vr: VirtualRouter, draw) -> Packet:
    """A good packet, spoilt in one way or several."""
    packet = good(vr)
    data = bytearray(packet.data)
    for _ in range(draw(st.integers(1, 4))):
        match draw(st.sampled_from(["flip", "set", "cut", "grow", "splice", "ttl"])):
            case "flip" if data:
                at = draw(st.integers(0, len(data) * 8 - 1))
                data[at // 8] ^= 1 << at % 8
            case "set" if data:
                data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
            case "cut":
                del data[draw(st.integers(0, len(data))) :]
            case "grow":
                data += draw(st.binary(min_size=1, max_size=64))
            case "splice" if data:
                at = draw(st.integers(0, len(data)))
                data = data[:at] + data[draw(st.integers(0, at)) :]
            case "ttl":
                packet = replace(packet, ttl=draw(st.integers(0, 255)))
            case _:
                pass
    return replace(packet, data=bytes(data))


@every_kind
def test_the_good_packet_is_admitted(vr):
    """Otherwise nothing below shows anything."""
    assert judged(vr, good(vr))


@every_kind
@alone
@given(data=st.data())
def test_one_wrong_bit_is_enough(vr, data):
    packet = good(vr)
    at = data.draw(st.integers(0, len(packet.data) * 8 - 1))
    spoilt = bytearray(packet.data)
    spoilt[at // 8] ^= 1 << at % 8
    assert not judged(vr, replace(packet, data=bytes(spoilt)))


@every_kind
@alone
@given(data=st.data())
def test_no_other_length_will_do(vr, data):
    packet = good(vr)
    length = len(packet.data)
    other = data.draw(st.integers(0, 2 * length).filter(lambda size: size != length))
    assert not judged(vr, replace(packet, data=(packet.data * 2)[:other]))


@every_kind
@alone
@given(data=st.data())
def test_whatever_is_spoilt_is_counted_once(vr, data):
    judged(vr, mutated(vr, data.draw))


@every_kind
@alone
@given(data=st.binary(max_size=120), ttl=st.integers(0, 255))
def test_noise_is_counted_once(vr, data, ttl):
    assert not judged(vr, replace(good(vr), data=data, ttl=ttl))


class Ears:
    """A socket that hands out what it was given, and who listens behind it."""

    def __init__(self, *packets: Packet) -> None:
        self.packets = list(packets)
        self.taken: list[Packet] = []

    def receive(self, packet: Packet | None = None) -> Packet | None:
        if packet is not None:
            self.taken.append(packet)
        return self.packets.pop(0) if packet is None and self.packets else None

    def send(self, *_: object) -> None: ...

    def close(self) -> None: ...


@alone
@given(st.lists(st.binary(max_size=40), max_size=20))
def test_a_receiver_counts_or_hands_on_every_packet(datas):
    ears = Ears(*(replace(good(V3), data=data) for data in datas))
    receiver = Receiver(lambda _: ears)
    receiver.join(51, ears)
    receiver.drain()
    assert len(ears.taken) + sum(receiver.counters.values()) == len(datas)
    assert all(packet.data[1] == 51 for packet in ears.taken)


@pytest.mark.parametrize("vr", [pytest.param(vr, marks=long) for vr in KINDS.values()], ids=KINDS)
@minutes
@given(data=st.data())
def test_for_minutes_whatever_is_spoilt_is_counted_once(vr, data):
    judged(vr, mutated(vr, data.draw))


@pytest.mark.long
@pytest.mark.timeout(120)
def test_nothing_a_guided_fuzzer_thinks_of_is_counted_otherwise(tmp_path):
    """In a process of its own: libFuzzer ends the one it runs in."""
    pytest.importorskip("atheris", reason="optional: pip install lvsha[fuzz]")
    words = (tmp_path, "-max_total_time=40", f"-artifact_prefix={tmp_path}/")
    argv = [sys.executable, "-m", "tests.shell.fuzz_gate", *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done " in done.stderr
