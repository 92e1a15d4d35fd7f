"""`lvsha sniff`: frames in words, whatever is in them, and what the command says where it can't."""

from __future__ import annotations

import json
import sys
from ipaddress import ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvsha.cli import overheard
from lvsha.cli.sniff import dissect
from lvsha.core import trailer
from lvsha.core.advert import GROUP, PROTOCOL, Advertisement, encode
from lvsha.core.authentication import HmacKey, HmacKeys
from lvsha.core.frames import announcement, multicast_frame
from lvsha.core.internet import ipv4_packet, ipv6_packet
from lvsha.core.types import Address, Family
from tests.shell.console import lvsha

MAC = bytes.fromhex("020000000001")
SOURCE, SOURCE6 = ip_address("192.0.2.1"), ip_address("fe80::1")
VIPS = (ip_address("192.0.2.100"), ip_address("192.0.2.101"))
VIPS6 = (ip_address("fe80::99"), ip_address("2001:db8::99"))
AD = Advertisement(3, 51, 150, 0.5, VIPS)
SECRET = b"correct horse battery staple 123"


def frame_of(message: bytes, source: Address = SOURCE, ttl: int = 255) -> bytes:
    """A VRRP message to the group."""
    group = GROUP[Family.of(source)]
    if source.version == 6:
        packet = ipv6_packet(message, source, group, PROTOCOL)
        return multicast_frame(MAC, packet[:7] + bytes((ttl,)) + packet[8:], group)
    packet = ipv4_packet(message, source, group, PROTOCOL, 1)
    return multicast_frame(MAC, packet[:8] + bytes((ttl,)) + packet[9:], group)


def said(frame: bytes) -> str:
    """The line of a frame, its time left out."""
    from scapy.layers.inet6 import IPv6  # noqa: F401 - scapy knows it from here on
    from scapy.layers.l2 import Ether

    facts = dissect(Ether(frame))
    json.dumps(facts)
    return "" if facts is None else " ".join(overheard.line(facts, 0.0).split()[1:])


def signed(ad: Advertisement) -> bytes:
    keys = HmacKeys((HmacKey(7, "", SECRET),), 7)
    group = GROUP[Family.IPV4]
    sealed = trailer.sign(keys, encode(ad, SOURCE, group), SOURCE, 0x6B03D3D4E9EC0001)
    return encode(ad, SOURCE, group, sealed)


def changed(message: bytes, at: int, *values: int) -> bytes:
    return message[:at] + bytes(values) + message[at + len(values) :]


GROUP4, GROUP6 = GROUP[Family.IPV4], GROUP[Family.IPV6]
V3 = encode(AD, SOURCE, GROUP4)
V2 = Advertisement(2, 51, 150, 1, VIPS, pseudo_header=False)
PASS = encode(
    Advertisement(2, 51, 150, 1, VIPS[:1], pseudo_header=False, password=b"secret12"),
    SOURCE, GROUP4,
)  # fmt: skip
HEAD = "02:00:00:00:00:01 192.0.2.1 VRRP v3 VRID 51 priority 150, every 0.5 s"
HEAD2 = "02:00:00:00:00:01 192.0.2.1 VRRP v2 VRID 51 priority 150, every 1 s"
BOTH = "192.0.2.100 192.0.2.101"
LINES = {
    "version 3": (V3, f"{HEAD}, {BOTH}, checksum with pseudo-header"),
    "checksum as RFC 9568": (
        encode(Advertisement(3, 51, 150, 0.5, VIPS, pseudo_header=False), SOURCE, GROUP4),
        f"{HEAD}, {BOTH}, checksum without pseudo-header",
    ),
    "checksum wrong": (changed(V3, 2, 149), f"{HEAD.replace('150', '149')}, checksum WRONG"),
    "version 2": (encode(V2, SOURCE, GROUP4), f"{HEAD2}, {BOTH}"),
    "password": (PASS, f"{HEAD2}, 192.0.2.100, authentication PASS"),
    "farewell": (
        encode(Advertisement(3, 51, 0, 0.5, VIPS[:1]), SOURCE, GROUP4),
        f"{HEAD.replace('150', '0: gives up mastership')}, 192.0.2.100, "
        "checksum with pseudo-header",
    ),
    "signed": (
        signed(AD),
        f"{HEAD}, {BOTH}, checksum with pseudo-header, "
        "signed with key 7 sequence 0x6b03d3d4e9ec0001",
    ),
    "signed version 2": (
        signed(V2),
        f"{HEAD2}, {BOTH}, signed with key 7 sequence 0x6b03d3d4e9ec0001",
    ),
    "one byte too many": (V3 + b"\0", f"{HEAD}, BAD overlong: 17 bytes from 192.0.2.1, 16 wanted"),
    "cut short": (V3[:12], f"{HEAD}, BAD truncated: 12 bytes from 192.0.2.1, 16 wanted"),
    "header cut short": (V3[:5], "02:00:00:00:00:01 192.0.2.1 VRRP BAD truncated: 5 bytes from "
    "192.0.2.1"),
    "empty": (b"", "02:00:00:00:00:01 192.0.2.1 VRRP BAD truncated: 0 bytes from 192.0.2.1"),
    "version 9": (
        changed(V3, 0, 0x91),
        f"{HEAD.replace('v3', 'v9')}, BAD version: 9 from 192.0.2.1",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("message", "line"), LINES.values(), ids=LINES)
def test_an_advertisement_is_told_with_what_is_wrong_with_it(message, line):
    assert said(frame_of(message)) == line


def test_over_ipv6_the_checksum_has_one_form_only_and_right_is_not_worth_a_word():
    ad = Advertisement(3, 51, 255, 1, VIPS6)
    line = "02:00:00:00:00:01 fe80::1 VRRP v3 VRID 51 priority 255: address owner, every 1 s, "
    assert said(frame_of(encode(ad, SOURCE6, GROUP6), SOURCE6)) == line + "fe80::99 2001:db8::99"


def test_a_ttl_that_is_not_255_is_told():
    assert said(frame_of(V3, ttl=254)).endswith("pseudo-header, TTL 254")


def test_unicast_is_told_with_its_destination_and_padding_is_no_part_of_it():
    there = ip_address("192.0.2.2")
    packet = ipv4_packet(encode(AD, SOURCE, there), SOURCE, there, PROTOCOL, 1)
    frame = multicast_frame(MAC, packet, GROUP4) + bytes(22)
    assert said(frame) == f"{HEAD}, {BOTH}, to 192.0.2.2, checksum with pseudo-header"


def test_a_fragment_is_not_read_as_a_message():
    packet = ipv4_packet(V3, SOURCE, GROUP4, PROTOCOL, 1)
    assert "BAD is a fragment" in said(multicast_frame(MAC, changed(packet, 6, 0x20), GROUP4))


@pytest.mark.parametrize("message", [PASS, signed(AD), signed(V2)])
def test_no_password_and_no_key_is_shown_in_either_form(message):
    from scapy.layers.inet import IP  # noqa: F401 - scapy knows it from here on
    from scapy.layers.l2 import Ether

    facts = dissect(Ether(frame_of(message)))
    shown = json.dumps(facts) + overheard.line(facts, 0.0)
    assert "secret" not in shown
    assert SECRET.decode() not in shown
    assert message[-16:].hex() not in shown


def test_a_tagged_frame_is_told_with_its_vlan():
    frame = frame_of(V3)
    tagged = frame[:12] + b"\x81\x00\x00\x07" + frame[12:]
    assert said(tagged) == f"{HEAD}, {BOTH}, checksum with pseudo-header, VLAN 7"


def arp(operation: int, sender: str, target: str) -> bytes:
    ends = MAC + ip_address(sender).packed + bytes(6) + ip_address(target).packed
    return b"\xff" * 6 + MAC + b"\x08\x06" + b"\0\1\x08\0\6\4\0" + bytes((operation,)) + ends


ARP = {
    "gratuitous": (
        announcement(MAC, VIPS[0], is_router=False),
        "192.0.2.100 ARP gratuitous request: 192.0.2.100 is at 02:00:00:00:00:01",
    ),
    "gratuitous reply": (
        arp(2, "192.0.2.1", "192.0.2.1"),
        "192.0.2.1 ARP gratuitous reply: 192.0.2.1 is at 02:00:00:00:00:01",
    ),
    "request": (
        arp(1, "192.0.2.1", "192.0.2.9"),
        "192.0.2.1 ARP request: who has 192.0.2.9, tell 192.0.2.1",
    ),
    "probe": (arp(1, "0.0.0.0", "192.0.2.9"), "0.0.0.0 ARP probe: who has 192.0.2.9"),
    "reply": (
        arp(2, "192.0.2.1", "192.0.2.9"),
        "192.0.2.1 ARP reply: 192.0.2.1 is at 02:00:00:00:00:01, to 192.0.2.9",
    ),
    "cut short": (arp(1, "192.0.2.1", "192.0.2.9")[:20], "- ARP BAD 6 bytes"),
    "other hardware": (
        changed(arp(1, "192.0.2.1", "192.0.2.9"), 15, 6),
        "- ARP BAD is not of IPv4 on Ethernet: (6, 2048, 6, 4)",
    ),
}


@pytest.mark.parametrize(("frame", "line"), ARP.values(), ids=ARP)
def test_of_arp_it_is_told_what_for_it_is_sent(frame, line):
    assert said(frame) == f"02:00:00:00:00:01 {line}"


def neighbour(kind: int, source: str, body: bytes) -> bytes:
    packet = ipv6_packet(bytes((kind, 0, 0, 0)) + body, ip_address(source), VIPS6[0], 58)
    return multicast_frame(MAC, packet, GROUP6)


ND = {
    "unsolicited": (
        announcement(MAC, VIPS6[1], is_router=True),
        "2001:db8::99 ND unsolicited advertisement: 2001:db8::99 is at 02:00:00:00:00:01, "
        "override, router",
    ),
    "solicited": (
        neighbour(136, "fe80::1", b"\x40\0\0\0" + VIPS6[1].packed),
        "fe80::1 ND solicited advertisement: 2001:db8::99 is at its place",
    ),
    "solicitation": (
        neighbour(135, "fe80::1", bytes(4) + VIPS6[1].packed),
        "fe80::1 ND solicitation: who has 2001:db8::99",
    ),
    "probe": (
        neighbour(135, "::", bytes(4) + VIPS6[1].packed),
        ":: ND probe: who has 2001:db8::99",
    ),
    "cut short": (neighbour(136, "fe80::1", b"\0\0"), "fe80::1 ND BAD type 136 in 6 bytes"),
}


@pytest.mark.parametrize(("frame", "line"), ND.values(), ids=ND)
def test_of_neighbour_discovery_it_is_told_what_for_it_is_sent(frame, line):
    assert said(frame) == f"02:00:00:00:00:01 {line}"


def test_what_is_neither_is_left_out():
    packet = ipv4_packet(b"", SOURCE, GROUP4, 17, 1)
    assert said(multicast_frame(MAC, packet, GROUP4)) == ""
    assert said(neighbour(128, "fe80::1", b"")) == ""
    assert said(MAC + MAC + b"\x88\xcc") == ""


KINDS = (b"\x08\x00", b"\x86\xdd", b"\x08\x06", b"\x81\x00\x00\x01\x08\x06")


@settings(max_examples=300)
@given(st.sampled_from(KINDS), st.binary(max_size=120))
def test_garbage_is_a_line_or_nothing(kind, garbage):
    said(MAC + MAC + kind + garbage)


@settings(max_examples=300)
@given(st.binary(max_size=90), st.booleans())
def test_garbage_as_a_vrrp_message_is_always_a_line(garbage, six):
    assert "VRRP" in said(frame_of(garbage, SOURCE6 if six else SOURCE))


@settings(max_examples=300)
@given(st.sampled_from([frame_of(V3), frame_of(PASS), ARP["reply"][0], ND["probe"][0]]), st.data())
def test_one_changed_byte_never_stops_it(frame, data):
    at = data.draw(st.integers(12, len(frame) - 1))
    said(changed(frame, at, data.draw(st.integers(0, 255))))


def test_a_fault_of_the_decoder_itself_is_a_line_too(monkeypatch):
    def broken(*_: object) -> None:
        raise IndexError("out of range")

    monkeypatch.setattr(overheard, "arp", broken)
    assert "FRAME BAD 42 bytes: out of range" in said(ARP["reply"][0])


def test_without_scapy_it_says_how_to_get_it(tmp_path):
    broken = tmp_path / "scapy"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('not here')")
    told = lvsha("sniff", "lo", PYTHONPATH=str(tmp_path))
    assert (told.code, told.out) == (1, "")
    assert told.err == "lvsha: sniff needs scapy, not installed: pip install 'lvsha[sniff]'\n"


def test_without_root_it_says_so():
    told = lvsha("sniff", "lo", as_nobody=True)
    assert (told.code, told.err) == (1, "lvsha: sniff must be root, or have CAP_NET_RAW\n")


def test_a_missing_interface_is_named():
    told = lvsha("sniff", "eth9")
    assert (told.code, told.err) == (1, "lvsha: there is no interface 'eth9' on this machine\n")


@pytest.mark.parametrize("words", [(), ("lo", "--count", "0"), ("lo", "eth0")])
def test_wrong_words_are_one_line_and_exit_2(words):
    told = lvsha("sniff", *words)
    assert (told.code, told.err.count("\n")) == (2, 1)


def test_no_daemon_has_scapy_loaded():
    """It is slow to load and big: nothing but this command may pull it in."""
    import subprocess

    code = "import lvsha.vrrp.process, lvsha.director.process, lvsha.cli.main, sys; "
    code += "sys.exit('scapy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
