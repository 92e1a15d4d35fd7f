"""Asking who is there: scapy reads our questions, and finds nobody named who asks."""

from __future__ import annotations

from ipaddress import ip_address

from lvsha.core.asking import question

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
