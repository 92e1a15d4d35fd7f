"""VRRP processes that authenticate: by a password, or by keys, and against whoever does not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from dataclasses import replace
from ipaddress import ip_address

import pytest

from lvsha.core import advert, trailer
from lvsha.core.authentication import HmacKey, HmacKeys, Password
from lvsha.kernel.ports import Packet
from tests.shell.vrrp_lan import lan, pair, router

pytestmark = pytest.mark.looptime

KEYS = HmacKeys((HmacKey(1, "k1", b"1" * 32), HmacKey(2, "k2", b"2" * 32)), 1)
SECRET = Password("secret12")
SECOND = 1_000_000_000


def signed(keys=KEYS, *, priority=200, clock=0, source="192.0.2.9", **changes):
    """A packet of a third router, signed `clock` seconds from now."""
    vr, sender = router(**changes), ip_address(source)
    ad, group = advert.of(vr, priority), advert.GROUP[vr.family]
    sequence = trailer.sequence_after(0, time.time_ns() + clock * SECOND, 5)
    tail = trailer.sign(keys, advert.encode(ad, sender, group), sender, sequence) if keys else b""
    return Packet(advert.encode(ad, sender, group, tail), sender, group, 255)


def tampered(packet, at):
    data = bytearray(packet.data)
    data[at] ^= 1
    return replace(packet, data=bytes(data))


FORGED = {
    "hmac_missing": lambda: signed(None),
    "hmac": lambda: tampered(signed(), -1),
    "hmac_malformed": lambda: tampered(signed(), 12),
    "hmac_key": lambda: tampered(signed(), 13),
    "hmac_stale": lambda: signed(clock=-6),
    "checksum": lambda: tampered(signed(), 2),
    "truncated": lambda: replace(signed(), data=signed().data[:-1]),
    "overlong": lambda: replace(signed(), data=signed().data + b"\0"),
    "version": lambda: tampered(signed(version=2), -1),  # which is looked at first
}


@pytest.mark.parametrize("cause", FORGED)
async def test_a_forged_advertisement_is_counted_logged_and_changes_nothing(cause):
    async with lan() as place:
        first, _ = await pair(place, authentication=KEYS)
        for _ in range(3):
            place.segment.carry("intruder", FORGED[cause]())
        await asyncio.sleep(3)
        assert first.status().state == "MASTER"
        assert first.status().counters[cause] == 3
        assert len([line for line in place.named("vrrp.dropped") if line["cause"] == cause]) == 2
        place.segment.carry("friend", signed())
        await asyncio.sleep(0.1)
        assert first.status().state == "BACKUP"


async def test_a_replayed_advertisement_is_refused():
    """Recorded while it was good, sent again within the window of time."""
    async with lan() as place:
        first, second = await pair(place, authentication=KEYS)
        recorded = signed(priority=50)
        for _ in range(3):
            place.segment.carry("intruder", recorded)
        await asyncio.sleep(3)
        assert first.status().counters["hmac_replayed"] == 2
        mine = Packet(place.segment.sent[-1][2], ip_address("192.0.2.1"), recorded.destination, 255)
        place.segment.carry("intruder", mine)
        await asyncio.sleep(3)
        assert second.status().counters["hmac_replayed"] == 3
        assert (first.status().state, second.status().state) == ("MASTER", "BACKUP")


async def test_the_active_key_changes_without_anybody_noticing():
    async with lan() as place:
        first, second = await pair(place, authentication=KEYS)
        other = replace(KEYS, active=2)
        for host, priority in ((first, 150), (second, 100)):
            await host.configure(router(priority=priority, authentication=other))
            await asyncio.sleep(5)
        assert [line["new"] for line in place.named("vrrp.state")].count("MASTER") == 1
        assert not place.named("vrrp.dropped")
        assert place.segment.sent[-1][2][13] == 2


async def test_who_restarts_is_believed_at_once():
    """Its sequence goes on with the clock."""
    async with lan() as place:
        _, second = await pair(place, authentication=KEYS)
        await second.configure()
        await second.configure(router(priority=200, authentication=KEYS))
        await asyncio.sleep(5)
        assert second.status().state == "MASTER"
        assert not place.named("vrrp.dropped")


async def test_a_node_without_keys_does_not_take_a_signed_advertisement():
    async with lan() as place:
        first, _ = await pair(place)
        place.segment.carry("stranger", signed())
        await asyncio.sleep(3)
        assert first.status().counters["overlong"] == 1
        assert first.status().state == "MASTER"


@pytest.mark.parametrize(
    ("cause", "theirs"), [("authentication", None), ("password", Password("secret13"))]
)
async def test_another_password_is_counted_and_changes_nothing(cause, theirs):
    async with lan() as place:
        first, _ = await pair(place, version=2, authentication=SECRET)
        place.segment.carry("intruder", signed(None, version=2, authentication=theirs))
        await asyncio.sleep(3)
        assert (first.status().state, first.status().counters[cause]) == ("MASTER", 1)
        place.segment.carry("friend", signed(None, version=2, authentication=SECRET))
        await asyncio.sleep(0.1)
        assert first.status().state == "BACKUP"


async def test_a_password_is_warned_about_once_and_never_shown():
    async with lan() as place:
        first, second = await pair(place, version=2, authentication=SECRET)
        place.segment.carry("intruder", signed(None, version=2, authentication=Password("other")))
        await asyncio.sleep(3)
        assert len(place.named("vrrp.password")) == 2  # one for each host
        said = f"{place.events} {first.statuses()} {second.statuses()}"
        assert "secret12" not in said
        assert "other" not in said


async def test_version_2_drops_another_interval_and_says_both():
    async with lan() as place:
        first, _ = await pair(place, version=2)
        place.segment.carry("stranger", signed(None, version=2, advertisement_interval=2.0))
        await asyncio.sleep(3)
        assert (first.status().state, first.status().counters["interval"]) == ("MASTER", 1)
        assert place.named("vrrp.dropped")[0]["detail"] == "interval: 2 s from 192.0.2.9, ours is 1"


async def test_version_3_learns_another_interval_and_says_so_once():
    async with lan() as place:
        _, second = await pair(place)
        for _ in range(10):
            place.segment.carry("stranger", signed(None, advertisement_interval=2.0))
            await asyncio.sleep(2)
        assert second.status().counters["interval_learned"] == 10
        assert [line["interval"] for line in place.named("vrrp.mismatch")] == [2.0, 2.0]
        assert second.status().state == "BACKUP"


def test_without_keys_the_process_starts_without_what_signs():
    code = "import sys, lvsha.vrrp.process; sys.exit('lvsha.core.trailer' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
