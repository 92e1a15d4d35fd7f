"""VRRP messages: keepalived's own frames byte for byte, the receive checks, and any garbage."""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsha.core import advert
from lvsha.core.advert import Advertisement, admit, decode, encode, same_addresses
from lvsha.core.authentication import Password
from lvsha.core.internet import checksum, ipv4_packet, ipv6_packet
from lvsha.core.plan import VirtualRouter
from lvsha.core.types import Family
from lvsha.errors import PacketError

# Captured from keepalived: Ethernet onward.
V2 = (
    "01005e000012d6abc785f1dc080045c0002800010000ff70d0880a090001e0000012"
    "2133960100013e5d0a0900640000000000000000"
)
V2_PASS = (
    "01005e000012d6ced5647e14080045c0002c00010000ff70d0840a090001e0000012"
    "213396020101c56f0a0900640a0900657365637265743132"
)
V3 = "01005e000012de0e6928447f080045c0002000010000ff70d0900a090001e000001231339601006443610a090064"
V3_WITHOUT = (
    "01005e000012020000000001080045c0002000010000ff70d0900a090001e00000123133960100642dfa0a090064"
)
V3_UNICAST = (
    "020000000002020000000001080045c0002000010000ff70a6980a0900010a09000231339601006419690a090064"
)
V3_HMAC = (
    "01005e000012020000000001080045c0003c00010000ff70d0740a090001e0000012"
    "31339601006443610a090064010100006b038a5503290000c36e1a840a28806eedbab09556db98f6"
)
V6 = (
    "333300000012de70490e7b7b86dd6c0ce71e002870fffe80000000000000dc7049fffe0e7b7b"
    "ff020000000000000000000000000012"
    "3133960200646cd1fe80000000000000000000000000009920010db8000000000000000000000099"
)

OURS = IPv4Address("10.9.0.1")
GROUP4 = IPv4Address("224.0.0.18")
GROUP6 = IPv6Address("ff02::12")
OURS6 = IPv6Address("fe80::dc70:49ff:fe0e:7b7b")
VIP = (IPv4Address("10.9.0.100"),)
TWO_VIPS = (*VIP, IPv4Address("10.9.0.101"))
VIPS6 = (IPv6Address("fe80::99"), IPv6Address("2001:db8::99"))

GOLDEN = [
    pytest.param(Advertisement(2, 51, 150, 1.0, VIP, False), OURS, GROUP4, V2, id="v2"),
    pytest.param(
        Advertisement(2, 51, 150, 1.0, TWO_VIPS, False, b"secret12"),
        OURS,
        GROUP4,
        V2_PASS,
        id="v2 PASS",
    ),
    pytest.param(Advertisement(3, 51, 150, 1.0, VIP, True), OURS, GROUP4, V3, id="v3"),
    pytest.param(
        Advertisement(3, 51, 150, 1.0, VIP, False), OURS, GROUP4, V3_WITHOUT, id="v3 as RFC 9568"
    ),
    pytest.param(
        Advertisement(3, 51, 150, 1.0, VIP, True),
        OURS,
        IPv4Address("10.9.0.2"),
        V3_UNICAST,
        id="v3 unicast",
    ),
    pytest.param(Advertisement(3, 51, 150, 1.0, VIPS6, True), OURS6, GROUP6, V6, id="v3 IPv6"),
]

SIGNED = bytes.fromhex(V3_HMAC)[34:]
V3_BYTES = bytes.fromhex(V3)[34:]
V2_BYTES = bytes.fromhex(V2)[34:]


@pytest.mark.parametrize(("ad", "source", "destination", "frame"), GOLDEN)
def test_what_we_send_is_keepaliveds_packet_byte_for_byte(ad, source, destination, frame):
    message = encode(ad, source, destination)
    if source.version == 4:
        packet = ipv4_packet(message, source, destination, advert.PROTOCOL, 1)
        assert packet.hex() == frame[28:]
    else:
        assert message.hex() == frame[2 * 54 :]
        ours, theirs = ipv6_packet(message, source, destination, 112), bytes.fromhex(frame)[14:]
        assert ours[4:] == theirs[4:]  # the first word carries their flow label


@pytest.mark.parametrize(("ad", "source", "destination", "frame"), GOLDEN)
def test_keepaliveds_packet_is_read_back_as_the_same_value(ad, source, destination, frame):
    message = bytes.fromhex(frame)[34 if source.version == 4 else 54 :]
    assert decode(message, source, destination, 255) == ad


def summed(message: bytes) -> bytes:
    """The message with a checksum that verifies, without pseudo-header."""
    blank = message[:6] + b"\0\0" + message[8:]
    return blank[:6] + struct.pack("!H", checksum(blank)) + blank[8:]


def changed(message: bytes, at: int, value: int) -> bytes:
    return summed(message[:at] + bytes([value]) + message[at + 1 :])


REFUSED = [
    ("truncated", V3_BYTES[:7], 255, "shorter than a header"),
    ("truncated", V3_BYTES[:11], 255, "address cut short"),
    ("truncated", b"", 255, "empty"),
    ("truncated", V2_BYTES[:12], 255, "version 2 without the authentication field"),
    ("overlong", V3_BYTES + bytes(28), 255, "a trailer we do not speak"),
    ("overlong", V2_BYTES + b"\0", 255, "one byte too many"),
    ("ttl", V3_BYTES, 254, "came through a router"),
    ("version", changed(V3_BYTES, 0, 0x41), 255, "version 4"),
    ("version", changed(V3_BYTES, 0, 0x11), 255, "version 1"),
    ("type", changed(V3_BYTES, 0, 0x32), 255, "type 2"),
    ("virtual_router_id", changed(V3_BYTES, 1, 0), 255, "VRID 0"),
    ("no_addresses", changed(V3_BYTES, 3, 0), 255, "count 0 (RFC 9568 §5.2.5)"),
    ("checksum", V3_BYTES[:6] + b"\xff\xff" + V3_BYTES[8:], 255, "wrong sum"),
    ("checksum", V2_BYTES[:6] + b"\xff\xff" + V2_BYTES[8:], 255, "wrong sum, version 2"),
    ("authentication", changed(V2_BYTES, 4, 2), 255, "AH"),
    ("interval", changed(V2_BYTES, 5, 0), 255, "every 0 seconds"),
    ("interval", changed(V3_BYTES, 5, 0), 255, "every 0 centiseconds"),
]


@pytest.mark.parametrize(
    ("cause", "message", "ttl"), [case[:3] for case in REFUSED], ids=[case[3] for case in REFUSED]
)
def test_a_failed_receive_check_names_its_counter(cause, message, ttl):
    with pytest.raises(PacketError) as refused:
        decode(message, OURS, GROUP4, ttl)
    assert refused.value.cause == cause


def test_a_trailer_follows_the_message_and_its_checksum_does_not_cover_it():
    ad = decode(SIGNED, OURS, GROUP4, 255, trailer=28)
    assert ad == Advertisement(3, 51, 150, 1.0, VIP, True)
    assert encode(ad, OURS, GROUP4, SIGNED[-28:]) == SIGNED
    assert ipv4_packet(SIGNED, OURS, GROUP4, 112, 1).hex() == V3_HMAC[28:]


@pytest.mark.parametrize(
    ("cause", "length"),
    [("hmac_missing", 12), ("truncated", 11), ("truncated", 39), ("overlong", 41)],
)
def test_where_a_trailer_is_wanted_no_other_length_will_do(cause, length):
    with pytest.raises(PacketError) as refused:
        decode((SIGNED + b"\0")[:length], OURS, GROUP4, 255, trailer=28)
    assert refused.value.cause == cause


def test_a_ttl_is_low_where_it_is_below_what_the_file_takes():
    assert decode(V3_BYTES, OURS, GROUP4, 250, lowest_ttl=250).priority == 150
    with pytest.raises(PacketError) as refused:
        decode(V3_BYTES, OURS, GROUP4, 249, lowest_ttl=250)
    assert str(refused.value) == "ttl: 249 from 10.9.0.1"


def test_version_2_is_not_spoken_over_ipv6():
    with pytest.raises(PacketError) as refused:
        decode(V2_BYTES, OURS6, GROUP6, 255)
    assert refused.value.cause == "version"


def test_an_ipv6_message_without_pseudo_header_is_refused():
    message = summed(bytes.fromhex(V6)[54:])
    with pytest.raises(PacketError) as refused:
        decode(message, OURS6, GROUP6, 255)
    assert refused.value.cause == "checksum"


def test_reserved_bits_of_version_3_are_ignored_on_receive():
    """RFC 9568 §5.2.6: must be ignored on reception."""
    assert decode(changed(V3_BYTES, 4, 0xF0), OURS, GROUP4, 255).interval == 1.0


ROUTER = VirtualRouter(
    "web", 51, "eth0", Family.IPV4, 150, (IPv4Interface("10.9.0.100/32"),), source=OURS
)


def test_of_advertises_the_routers_addresses_in_file_order():
    vips = (IPv4Interface("10.9.0.101/24"), IPv4Interface("10.9.0.100/32"))
    ad = advert.of(replace(ROUTER, addresses=vips), 7)
    assert (ad.priority, [str(a) for a in ad.addresses]) == (7, ["10.9.0.101", "10.9.0.100"])


@pytest.mark.parametrize(
    ("version", "asked", "form"), [(3, True, True), (3, False, False), (2, True, False)]
)
def test_of_takes_the_checksum_form_the_file_asks_for(version, asked, form):
    vr = replace(ROUTER, version=version, pseudo_header_checksum=asked)
    assert advert.of(vr, 150).pseudo_header is form


def test_another_version_on_our_vrid_is_refused():
    with pytest.raises(PacketError) as refused:
        admit(Advertisement(2, 51, 150, 1.0, VIP, False), ROUTER, OURS)
    assert refused.value.cause == "version"


def test_version_2_refuses_another_interval_and_version_3_learns_it():
    slow = Advertisement(2, 51, 150, 2.0, VIP, False)
    with pytest.raises(PacketError) as refused:
        admit(slow, replace(ROUTER, version=2), OURS)
    assert refused.value.cause == "interval"
    assert str(refused.value) == "interval: 2 s from 10.9.0.1, ours is 1"
    admit(replace(slow, version=3), ROUTER, OURS)


@pytest.mark.parametrize(
    ("cause", "theirs", "ours"),
    [
        ("authentication", None, Password("secret12")),
        ("authentication", b"secret12", None),
        ("password", b"secret13", Password("secret12")),
        ("password", b"secret12", Password("secret")),
    ],
)
def test_another_password_is_refused_without_telling_it(cause, theirs, ours):
    ad = Advertisement(2, 51, 150, 1.0, VIP, False, theirs)
    with pytest.raises(PacketError) as refused:
        admit(ad, replace(ROUTER, version=2, authentication=ours), OURS)
    assert refused.value.cause == cause
    assert "secret" not in str(refused.value) + repr(ad) + repr(ours)


def test_a_short_password_is_filled_up_with_zeros():
    vr = replace(ROUTER, version=2, authentication=Password("a"))
    ad = advert.of(vr, 150)
    assert encode(ad, OURS, GROUP4)[-8:] == b"a" + bytes(7)
    admit(decode(encode(ad, OURS, GROUP4), OURS, GROUP4, 255), vr, OURS)


def test_address_lists_are_compared_without_order():
    ad = Advertisement(3, 51, 1, 1.0, (ip_address("10.9.0.2"), ip_address("10.9.0.1")))
    vr = replace(ROUTER, addresses=(IPv4Interface("10.9.0.1/32"), IPv4Interface("10.9.0.2/32")))
    assert same_addresses(ad, vr)
    assert not same_addresses(ad, ROUTER)


addresses4 = st.integers(0, 2**32 - 1).map(IPv4Address)
addresses6 = st.integers(0, 2**128 - 1).map(IPv6Address)


@st.composite
def conversations(draw):
    version = draw(st.sampled_from([2, 3]))
    family = 4 if version == 2 else draw(st.sampled_from([4, 6]))
    address = addresses4 if family == 4 else addresses6
    units = draw(st.integers(1, 255 if version == 2 else 4095))
    form = False if version == 2 else True if family == 6 else draw(st.booleans())
    ad = Advertisement(
        version,
        draw(st.integers(1, 255)),
        draw(st.integers(0, 255)),
        float(units) if version == 2 else units / 100,
        tuple(draw(st.lists(address, min_size=1, max_size=255 if family == 4 else 90))),
        form,
        draw(st.none() | st.binary(min_size=8, max_size=8)) if version == 2 else None,
    )
    return ad, draw(address), draw(address)


@given(conversations(), st.sampled_from([b"", bytes(range(28))]))
def test_every_advertisement_survives_the_wire(conversation, trailer):
    ad, source, destination = conversation
    data = encode(ad, source, destination, trailer)
    read = decode(data, source, destination, 255, trailer=len(trailer))
    # Where the pseudo-header sums to zero both forms verify, and the first is reported.
    assert replace(read, pseudo_header=ad.pseudo_header) == ad


@given(st.binary(max_size=100), st.sampled_from([OURS, OURS6]), st.integers(0, 255))
def test_garbage_raises_nothing_but_a_packet_error(data, source, ttl):
    refuse_or_read(data, source, ttl)


@given(st.binary(max_size=60), st.integers(0, 0xFF), st.sampled_from([0x21, 0x31]))
def test_garbage_with_a_right_checksum_raises_nothing_but_a_packet_error(tail, vrid, first):
    message = summed(bytes([first, vrid, 100, len(tail) // 4]) + bytes(4) + tail)
    refuse_or_read(message, OURS, 255)


@given(st.integers(0, len(V3_BYTES) * 8 - 1))
def test_a_single_flipped_bit_never_passes(bit):
    flipped = bytearray(V3_BYTES)
    flipped[bit // 8] ^= 1 << bit % 8
    with pytest.raises(PacketError):
        decode(bytes(flipped), OURS, GROUP4, 255)


def refuse_or_read(data, source, ttl):
    destination = GROUP4 if source.version == 4 else GROUP6
    with suppress(PacketError):
        decode(data, source, destination, ttl)
