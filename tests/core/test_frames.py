"""Gratuitous ARP and unsolicited neighbour advertisements, read back by scapy."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import islice

import pytest

from lvsha.core.frames import Garp, announcement, bursts

MAC = bytes.fromhex("020000000001")


def test_gratuitous_arp_is_the_request_keepalived_sends():
    frame = announcement(MAC, ip_address("10.9.0.100"), is_router=False)
    assert frame.hex() == (
        "ffffffffffff" "020000000001" "0806"
        "0001080006040001" "020000000001" "0a090064" "ffffffffffff" "0a090064"
    )  # fmt: skip


def test_scapy_reads_our_arp_as_a_broadcast_about_the_address_itself():
    from scapy.layers.l2 import ARP, Ether

    arp = Ether(announcement(MAC, ip_address("10.9.0.100"), is_router=False))[ARP]
    assert (arp.op, arp.psrc, arp.pdst, arp.hwsrc) == (
        1, "10.9.0.100", "10.9.0.100", "02:00:00:00:00:01",
    )  # fmt: skip


@pytest.mark.parametrize("is_router", [True, False])
def test_scapy_reads_our_advertisement_with_override_and_a_right_checksum(is_router):
    from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
    from scapy.layers.l2 import Ether

    raw = announcement(MAC, ip_address("2001:db8::99"), is_router)
    frame = Ether(raw)
    na = frame[ICMPv6ND_NA]
    assert (frame.dst, frame[IPv6].dst, frame[IPv6].src, frame[IPv6].hlim) == (
        "33:33:00:00:00:01", "ff02::1", "2001:db8::99", 255,
    )  # fmt: skip
    assert (na.R, na.S, na.O, na.tgt) == (int(is_router), 0, 1, "2001:db8::99")
    assert na[ICMPv6NDOptDstLLAddr].lladdr == "02:00:00:00:00:01"
    sent = na.cksum
    del na.cksum
    assert Ether(bytes(frame))[ICMPv6ND_NA].cksum == sent


def test_announcements_burst_twice_and_then_refresh_slowly():
    assert list(islice(bursts(Garp()), 5)) == [(0, 5), (5, 5), (60, 1), (120, 1), (180, 1)]


def test_without_delay_and_refresh_there_is_one_burst():
    assert list(bursts(Garp(repeat=3, delay=0, refresh=0))) == [(0, 3)]
