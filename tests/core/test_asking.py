"""Asking who is there: scapy reads our questions, and finds nobody named who asks."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from lvsha.core.asking import answered, question, question_alone

MAC = bytes.fromhex("020000000001")


def test_an_ipv4_question_is_an_arp_probe():
    from scapy.layers.l2 import ARP, Ether

    frame = Ether(question(MAC, ip_address("192.0.2.7")))
    assert (frame.dst, frame.src) == ("ff:ff:ff:ff:ff:ff", "02:00:00:00:00:01")
    probe = frame[ARP]
    assert (probe.op, probe.psrc, probe.pdst, probe.hwdst) == (
        1, "0.0.0.0", "192.0.2.7", "00:00:00:00:00:00",
    )  # fmt: skip


def test_an_ipv6_question_is_a_solicitation_from_nowhere_with_a_right_checksum():
    from scapy.layers.inet6 import ICMPv6ND_NS, IPv6
    from scapy.layers.l2 import Ether

    raw = question(MAC, ip_address("2001:db8::12:3456"))
    frame = Ether(raw)
    assert frame.dst == "33:33:ff:12:34:56"
    assert (frame[IPv6].src, frame[IPv6].dst, frame[IPv6].hlim) == ("::", "ff02::1:ff12:3456", 255)
    assert frame[ICMPv6ND_NS].tgt == "2001:db8::12:3456"
    sent = frame[ICMPv6ND_NS].cksum
    del frame[ICMPv6ND_NS].cksum
    assert Ether(bytes(frame))[ICMPv6ND_NS].cksum == sent


def test_one_machine_is_asked_by_an_arp_probe_of_the_same_form():
    address = ip_address("192.0.2.7")
    assert question(MAC, address)[14:] == question_alone(MAC, address, ip_address("192.0.2.1"))


def test_one_machine_is_asked_by_a_solicitation_that_says_where_the_answer_goes():
    from scapy.layers.inet6 import ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, IPv6

    raw = question_alone(MAC, ip_address("2001:db8::12:3456"), ip_address("2001:db8::1"))
    packet = IPv6(raw)
    assert (packet.src, packet.dst, packet.hlim) == ("2001:db8::1", "ff02::1:ff12:3456", 255)
    assert packet[ICMPv6ND_NS].tgt == "2001:db8::12:3456"
    assert packet[ICMPv6NDOptSrcLLAddr].lladdr == "02:00:00:00:00:01"
    sent = packet[ICMPv6ND_NS].cksum
    del packet[ICMPv6ND_NS].cksum
    assert IPv6(bytes(packet))[ICMPv6ND_NS].cksum == sent


def test_answers_say_whose_address_it_is_and_nothing_else_does():
    from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, IPv6
    from scapy.layers.l2 import ARP

    six = IPv6(src="2001:db8::7", dst="2001:db8::1", hlim=255)
    assert answered(bytes(ARP(op=2, psrc="192.0.2.7"))) == ip_address("192.0.2.7")
    assert answered(bytes(ARP(op=1, psrc="192.0.2.7"))) is None
    assert answered(bytes(six / ICMPv6ND_NA(tgt="2001:db8::7"))) == ip_address("2001:db8::7")
    assert answered(bytes(six / ICMPv6ND_NS(tgt="2001:db8::7"))) is None


@given(st.binary(max_size=200))
def test_garbage_is_no_error(packet):
    answered(packet)
