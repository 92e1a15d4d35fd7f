"""What the VRRP process makes of packets nobody should have sent, and of those it must heed."""

from __future__ import annotations

import asyncio
import errno
from dataclasses import replace
from ipaddress import ip_address

import pytest

from lvsha.core import advert
from lvsha.kernel.ports import Packet
from tests.shell.vrrp_lan import OTHER, lan, pair, router

pytestmark = pytest.mark.looptime


def packet(vr, *, priority=200, ttl=255, source="192.0.2.9", data=b""):
    sender, group = ip_address(source), advert.GROUP[vr.family]
    message = data or advert.encode(advert.of(vr, priority), sender, group)
    return Packet(message, sender, group, ttl)


BAD = {
    "ttl": lambda vr: packet(vr, ttl=254),
    "truncated": lambda vr: packet(vr, data=packet(vr).data[:10]),
    "overlong": lambda vr: packet(vr, data=packet(vr).data + bytes(28)),
    "checksum": lambda vr: packet(vr, data=packet(vr).data[:-1] + b"\xff"),
    "version": lambda vr: packet(replace(vr, version=2)),
    "virtual_router_id": lambda vr: packet(replace(vr, virtual_router_id=77)),
    "own": lambda vr: packet(vr, source="192.0.2.1"),
}


@pytest.mark.parametrize("cause", BAD)
async def test_a_bad_packet_is_counted_within_a_second_and_changes_nothing(cause):
    async with lan() as place:
        first, _ = await pair(place)
        before = first.status().counters.get(cause, 0)
        for _ in range(3):
            place.segment.carry("intruder", BAD[cause](router()))
        await asyncio.sleep(1)
        assert first.status().state == "MASTER"
        assert first.status().counters[cause] == before + 3


async def test_a_drop_is_logged_once_a_minute_for_each_cause():
    async with lan() as place:
        await pair(place)
        for _ in range(70):
            place.segment.carry("intruder", BAD["ttl"](router()))
            await asyncio.sleep(1)
        dropped = [line for line in place.named("vrrp.dropped") if line["cause"] == "ttl"]
        assert len(dropped) == 2 * 2  # two hosts, two minutes begun
        assert dropped[0]["detail"] == "ttl: 254 from 192.0.2.9"


async def test_another_address_list_is_warned_about_and_still_obeyed():
    """keepalived 2.3.3 and RFC 9568 §7.1; Debian 12's 2.2.7 drops it and there are two masters."""
    async with lan() as place:
        first, _ = await pair(place)
        place.segment.carry("intruder", packet(router(addresses=(OTHER,))))
        await asyncio.sleep(0.1)
        assert first.status().state == "BACKUP"
        assert first.status().counters["address_list"] == 1
        assert place.named("vrrp.mismatch")[0]["addresses"] == "192.0.2.101"


@pytest.mark.parametrize("form", [True, False])
async def test_both_checksum_forms_are_accepted_and_told_apart(form):
    async with lan() as place:
        first, _ = await pair(place)
        place.segment.carry("intruder", packet(router(pseudo_header_checksum=form)))
        await asyncio.sleep(0.1)
        assert first.status().state == "BACKUP"
        name = "checksum_with_pseudo_header" if form else "checksum_without"
        assert first.status().counters[name] == 1


async def test_a_network_that_takes_no_packets_is_counted_logged_once_and_survived():
    async with lan() as place:
        first, _ = await pair(place)
        first.wire.refusal = errno.ENOBUFS
        await asyncio.sleep(4)
        assert first.status().counters["send_errors"] >= 3
        errors = [line for line in place.named("kernel.error") if line["what"] == "advertise"]
        assert len(errors) == 1
        first.wire.refusal = 0
        await asyncio.sleep(4)
        assert first.status().state == "MASTER"


async def test_what_waits_in_the_socket_is_read_before_a_timeout_is_believed():
    """The loop has not told of the packet yet when the timer fires."""
    async with lan() as place:
        first, second = await pair(place)
        place.segment.cut("lb1")
        theirs = next(end for end in place.segment._sockets if end.host == "lb2")
        lines = len(place.named("vrrp.state"))
        for _ in range(10):
            await asyncio.sleep(3)  # less than 3.609375 s after the one before
            theirs._waiting.append(packet(router(), priority=150, source="192.0.2.1"))
        assert len(place.named("vrrp.state")) == lines
        await asyncio.sleep(8)
        assert (await first.holds(), await second.holds()) == (True, True)
        place.segment.join("lb1")
