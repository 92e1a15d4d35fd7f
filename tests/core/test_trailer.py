"""The signed trailer: keepalived's frame and the draft's own images, and everything forged."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsha.core import advert, trailer
from lvsha.core.advert import Advertisement
from lvsha.core.authentication import HmacKey, HmacKeys
from lvsha.core.plan import VirtualRouter, VrrpPlan
from lvsha.core.types import Family
from lvsha.errors import PacketError

SECOND = 1_000_000_000
KEY = HmacKey(1, "/etc/lvsha/key", bytes(range(32)))
KEYS = HmacKeys((KEY,), 1)

# The draft's appendix: key 00…1f, VRID 51, priority 200.
CLOCK = 0x68000000 * SECOND + SECOND // 2
SEQUENCE = 0x68000000_8000_0000
IPV4 = bytes.fromhex(
    "3133c80100644402c00002640101000068000000800000001b84bc4e8e43892dc6d98448f8ee2265"
)
IPV6 = bytes.fromhex(
    "3133c8010064a2e9fe800000000000000000000000000100"
    "010100006800000080000000"
    "c8c56146ebfd66ee10ec4d8186461b78"
)
SOURCE4, SOURCE6 = IPv4Address("198.51.100.10"), IPv6Address("fe80::10")
DRAFT = [
    pytest.param(
        IPV4,
        Advertisement(3, 51, 200, 1.0, (IPv4Address("192.0.2.100"),), False),
        SOURCE4,
        IPv4Address("224.0.0.18"),
        id="IPv4",
    ),
    pytest.param(
        IPV6,
        Advertisement(3, 51, 200, 1.0, (IPv6Address("fe80::100"),), True),
        SOURCE6,
        IPv6Address("fe80::20"),
        id="IPv6",
    ),
]

# Captured from keepalived 2.4: its key is this text as it stands.
CAPTURED = bytes.fromhex(
    "31339601006443610a090064010100006b038a5503290000c36e1a840a28806eedbab09556db98f6"
)
THEIR_KEYS = HmacKeys((HmacKey(1, "", b"ascii:0123456789abcdef0123456789abcdef"),), 1)
THEIR_CLOCK = 0x6B038A55 * SECOND


@pytest.mark.parametrize(("image", "ad", "source", "destination"), DRAFT)
def test_we_sign_as_the_drafts_appendix_does(image, ad, source, destination):
    message = advert.encode(ad, source, destination)
    signed = trailer.sign(KEYS, message, source, SEQUENCE)
    assert advert.encode(ad, source, destination, signed) == image


@pytest.mark.parametrize(("image", "ad", "source", "destination"), DRAFT)
def test_the_drafts_appendix_is_taken(image, ad, source, destination):
    assert trailer.verify(KEYS, image, source, CLOCK, 5) == SEQUENCE
    assert advert.decode(image, source, destination, 255, trailer=trailer.LENGTH) == ad


def test_keepaliveds_frame_is_what_we_sign_with_its_key_at_its_time():
    source = IPv4Address("10.9.0.1")
    sequence = trailer.verify(THEIR_KEYS, CAPTURED, source, THEIR_CLOCK, 5)
    assert sequence == 0x6B038A55_0329_0000
    assert trailer.sign(THEIR_KEYS, CAPTURED[:12], source, sequence) == CAPTURED[12:]


TAMPERED = [
    ("hmac", 2, "priority"),
    ("hmac", 5, "interval"),
    ("hmac", 23, "address"),
    ("hmac_malformed", 24, "extension type"),
    ("hmac_key", 25, "key"),
    ("hmac_malformed", 27, "reserved"),
    ("hmac", 31, "seconds"),
    ("hmac", 35, "counter"),
    ("hmac", 36, "first byte of the HMAC"),
    ("hmac", 51, "last byte of the HMAC"),
]


@pytest.mark.parametrize(
    ("cause", "at"), [case[:2] for case in TAMPERED], ids=[case[2] for case in TAMPERED]
)
def test_a_tampered_byte_is_found_by_name(cause, at):
    bad = bytearray(IPV6)
    bad[at] ^= 1
    refused(cause, bytes(bad), SOURCE6)


def refused(cause, data, source, keys=KEYS, clock=CLOCK):
    with pytest.raises(PacketError) as error:
        trailer.verify(keys, data, source, clock, 5)
    assert error.value.cause == cause
    return str(error.value)


@given(st.integers(0, len(IPV4) * 8 - 1))
def test_only_the_checksum_is_not_signed(bit):
    bad = bytearray(IPV4)
    bad[bit // 8] ^= 1 << bit % 8
    if bit // 8 in (6, 7):
        assert trailer.verify(KEYS, bytes(bad), SOURCE4, CLOCK, 5) == SEQUENCE
    else:
        with pytest.raises(PacketError):
            trailer.verify(KEYS, bytes(bad), SOURCE4, CLOCK, 5)


def test_a_signature_is_good_from_one_source_only():
    refused("hmac", IPV6, IPv6Address("fe80::20"))


def test_a_wrong_secret_under_the_right_number_is_refused():
    refused("hmac", IPV4, SOURCE4, HmacKeys((replace(KEY, secret=bytes(32)),), 1))


@pytest.mark.parametrize("off", [-6, 6, 100, -100])
def test_what_is_signed_at_another_time_is_refused_and_says_by_how_much(off):
    told = refused("hmac_stale", IPV4, SOURCE4, clock=CLOCK - off * SECOND)
    assert told == f"hmac_stale: {off} s off our clock from 198.51.100.10, at most 5"


@pytest.mark.parametrize("off", [-5, 0, 5])
def test_within_the_window_a_clock_may_differ(off):
    assert trailer.verify(KEYS, IPV4, SOURCE4, CLOCK + off * SECOND, 5) == SEQUENCE


@pytest.mark.parametrize(
    ("interval", "seconds"), [(0.01, 5), (1.0, 5), (2.0, 6), (2.9, 6), (10.0, 30), (255.0, 300)]
)
def test_the_window_is_keepaliveds(interval, seconds):
    assert trailer.window(interval) == seconds


def test_every_key_verifies_and_the_active_one_signs():
    """Keys are rolled over without a gap: all know the new one before anybody uses it."""
    both = HmacKeys((KEY, HmacKey(7, "", b"k" * 32)), 7)
    message = IPV4[: -trailer.LENGTH]
    signed = message + trailer.sign(both, message, SOURCE4, SEQUENCE)
    assert signed[13] == 7
    refused("hmac_key", signed, SOURCE4)
    assert trailer.verify(replace(both, active=1), signed, SOURCE4, CLOCK, 5) == SEQUENCE


@given(st.lists(st.integers(-3 * SECOND, 3 * SECOND), max_size=50), st.integers(0, 2**33))
def test_sequences_grow_while_the_clock_does_not(steps, start):
    """Also over the wrap of their seconds, and where the clock is set back within the window."""
    clock = start * SECOND
    previous = trailer.sequence_after(0, clock, 5)
    for step in steps:
        clock = max(clock + step, 0) if abs(clock + step - start * SECOND) < 2 * SECOND else clock
        following = trailer.sequence_after(previous, clock, 5)
        assert trailer.is_after(following, previous)
        previous = following


def test_a_clock_set_far_back_starts_the_sequence_anew():
    """What it gave before is an hour ahead of everybody: nobody would take it."""
    stranded = trailer.sequence_after(0, CLOCK + 3600 * SECOND, 5)
    assert trailer.sequence_after(stranded, CLOCK, 5) == SEQUENCE


def test_the_same_sequence_twice_is_a_replay_and_a_stale_mark_is_none():
    assert trailer.is_replay(SEQUENCE, SEQUENCE, CLOCK, 5)
    assert trailer.is_replay(SEQUENCE, SEQUENCE - 1, CLOCK, 5)
    assert not trailer.is_replay(SEQUENCE, SEQUENCE + 1, CLOCK, 5)
    ahead = SEQUENCE + (3600 << 32)
    assert not trailer.is_replay(ahead, SEQUENCE, CLOCK, 5)


@given(st.binary(min_size=36, max_size=100))
def test_garbage_raises_nothing_but_a_packet_error(data):
    with pytest.raises(PacketError):
        trailer.verify(KEYS, data, SOURCE4, CLOCK, 5)


def test_a_plan_to_be_shown_has_no_secrets():
    vr = VirtualRouter("web", 51, "eth0", Family.IPV4, 100, (), authentication=KEYS)
    assert str(KEY.secret) not in repr(vr)
    shown = VrrpPlan("web", "lb1", (vr, replace(vr, authentication=None))).without_secrets()
    assert shown.routers[0].authentication == HmacKeys((HmacKey(1, "/etc/lvsha/key"),), 1)
    assert shown.routers[1].authentication is None
