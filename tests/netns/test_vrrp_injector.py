"""Every receive check on the wire: packets nobody should send, and those that must be heeded.

One process is master of several routers; a raw socket on the other host sends to them. What
keepalived does with the same packets is in the table this follows, case by case.
"""

from __future__ import annotations

import json
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from ipaddress import ip_address, ip_interface

import pytest

from lvsha.core import advert, trailer
from lvsha.core.authentication import HmacKey, HmacKeys, Password
from lvsha.core.plan import VirtualRouter
from lvsha.core.types import Family
from tests.netns.segment import Lvsha, eventually, inside, raw_advert, segment

pytestmark = pytest.mark.netns

OURS, THEIRS = ip_address("10.9.0.1"), ip_address("10.9.0.2")
V3 = VirtualRouter(
    "v3", 51, "eth0", Family.IPV4, 150,
    (ip_interface("10.9.0.100"), ip_interface("10.9.0.101")),
    advertisement_interval=0.1,
)  # fmt: skip
V2 = replace(
    V3, name="v2", virtual_router_id=52, version=2, advertisement_interval=1.0,
    addresses=(ip_interface("10.9.0.102"),),
)  # fmt: skip
PASS = replace(
    V2, name="pass", virtual_router_id=53, authentication=Password("secret12"),
    addresses=(ip_interface("10.9.0.103"),),
)  # fmt: skip
KEYS = HmacKeys((HmacKey(1, "", b"k" * 32),), 1)
HMAC = replace(
    V3, name="hmac", virtual_router_id=54, authentication=KEYS,
    addresses=(ip_interface("10.9.0.104"),),
)  # fmt: skip
UNICAST = replace(
    V3, name="unicast", virtual_router_id=55, source=OURS, peers=(THEIRS,),
    addresses=(ip_interface("10.9.0.105"),),
)  # fmt: skip
ROUTERS = (V3, V2, PASS, HMAC, UNICAST)
OTHER = (ip_interface("10.9.0.200"),)
GROUP = str(advert.GROUP[Family.IPV4])


class Master:
    """The process under test, and who sends to it."""

    def __init__(self, place, lvsha: Lvsha) -> None:
        self.place = place
        self.lvsha = lvsha

    def status(self, vr: VirtualRouter):
        """As it is now: a plan, even the same, is answered with it."""
        self.lvsha.configure(*ROUTERS)
        return next(each for each in self.lvsha.last.routers if each.name == vr.name)

    def is_(self, vr: VirtualRouter, state: str) -> bool:
        return self.status(vr).state == state

    def send(self, message: bytes, *, ttl: int = 255, to: str = "", source=THEIRS) -> None:
        inside(self.place.two.namespace, raw_advert(str(source), message, ttl=ttl, to=to))

    def lines(self, event: str, vr: VirtualRouter) -> list[dict]:
        found = [json.loads(line) for line in tuple(self.lvsha.lines)]
        return [line for line in found if (line["event"], line.get("router")) == (event, vr.name)]

    def dropped(self, vr: VirtualRouter) -> list[str]:
        """The causes logged so far: a log line may come after the status that counts it."""
        return [line["cause"] for line in self.lines("vrrp.dropped", vr)]


@pytest.fixture(scope="module")
def master(tmp_path_factory):
    with (
        segment(tmp_path_factory.mktemp("injector")) as place,
        closing(Lvsha(place.one, *ROUTERS)) as lvsha,
    ):
        yield Master(place, lvsha)


@contextmanager
def as_master(master: Master, vr: VirtualRouter):
    """`vr` is master at the beginning, and has not changed its mind at the end."""
    eventually("master", lambda: master.is_(vr, "MASTER"))
    since = master.status(vr).since
    yield
    after = master.status(vr)
    assert (after.state, after.since) == ("MASTER", since)


def message(vr: VirtualRouter, priority: int = 200, to: str = GROUP, **changes) -> bytes:
    other = replace(vr, **changes)
    return advert.encode(advert.of(other, priority), THEIRS, ip_address(to))


def signed(keys: HmacKeys = KEYS, *, seconds: int = 0, vr: VirtualRouter = HMAC) -> bytes:
    clock = time.time_ns() + seconds * 1_000_000_000
    plain = message(vr)
    return plain + trailer.sign(keys, plain, THEIRS, trailer.sequence_after(0, clock, 5))


def spoilt(data: bytes, at: int, value: int | None = None) -> bytes:
    """One byte changed; the checksum stays as it was."""
    changed = bytearray(data)
    changed[at] = changed[at] ^ 1 if value is None else value
    return bytes(changed)


def resummed(data: bytes, at: int, value: int) -> bytes:
    """One byte changed, and a checksum that says so."""
    from lvsha.core.internet import checksum

    blank = spoilt(data, at, value)
    blank = blank[:6] + bytes(2) + blank[8:]
    return blank[:6] + checksum(blank).to_bytes(2, "big") + blank[8:]


DROPPED = [
    ("version 2: interval differs", V2, "interval", lambda: message(V2, advertisement_interval=2)),
    ("version 2: without the 8 bytes", V2, "truncated", lambda: message(V2)[:-8]),
    ("version 2: 28 bytes behind", V2, "overlong", lambda: message(V2) + bytes(28)),
    ("version 2: checksum", V2, "checksum", lambda: spoilt(message(V2), 2)),
    ("version 2: by password", V2, "authentication",
     lambda: message(V2, authentication=Password("secret12"))),
    ("version 2: type AH", V2, "authentication", lambda: resummed(message(V2), 4, 2)),
    ("version 3 to version 2", V2, "version",
     lambda: message(V2, version=3)),
    ("password: none", PASS, "authentication", lambda: message(PASS, authentication=None)),
    ("password: wrong", PASS, "password",
     lambda: message(PASS, authentication=Password("secret13"))),
    ("version 2 to version 3", V3, "version",
     lambda: message(V3, version=2, advertisement_interval=1)),
    ("version 3: checksum", V3, "checksum", lambda: spoilt(message(V3), 2)),
    ("version 3: truncated", V3, "truncated", lambda: message(V3)[:-1]),
    ("version 3: a header only", V3, "truncated", lambda: message(V3)[:7]),
    ("version 3: overlong", V3, "overlong", lambda: message(V3) + b"\0"),
    ("version 3: signed", V3, "overlong", lambda: signed(vr=V3)),
    ("version 3: no addresses", V3, "no_addresses",
     lambda: resummed(message(V3), 3, 0)),
    ("version 3: type", V3, "type", lambda: resummed(message(V3), 0, 0x32)),
    ("version 3: every 0 s", V3, "interval", lambda: resummed(message(V3), 5, 0)),
    ("signed: not", HMAC, "hmac_missing", lambda: message(HMAC)),
    ("signed: by another", HMAC, "hmac",
     lambda: signed(HmacKeys((HmacKey(1, "", b"K" * 32),), 1))),
    ("signed: with another key", HMAC, "hmac_key",
     lambda: signed(HmacKeys((HmacKey(2, "", b"k" * 32),), 2))),
    ("signed: long ago", HMAC, "hmac_stale", lambda: signed(seconds=-60)),
    ("signed: in the future", HMAC, "hmac_stale", lambda: signed(seconds=60)),
    ("signed: type", HMAC, "hmac_malformed", lambda: spoilt(signed(), 12)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("vr", "cause", "data"), [case[1:] for case in DROPPED], ids=[case[0] for case in DROPPED]
)
def test_what_fails_a_check_is_counted_and_logged_and_nothing_else(master, vr, cause, data):
    with as_master(master, vr):
        before = master.status(vr).counters.get(cause, 0)
        for _ in range(3):
            master.send(data())
        eventually(cause, lambda: master.status(vr).counters.get(cause) == before + 3)
        eventually("logged", lambda: cause in master.dropped(vr))
        assert master.dropped(vr).count(cause) == 1, "once a minute"


@pytest.mark.parametrize(
    ("vr", "cause", "how"),
    [
        (V3, "ttl", {"ttl": 254}),
        (V3, "destination", {"to": str(OURS)}),
        (UNICAST, "ttl", {"ttl": 254, "to": str(OURS)}),
    ],
    ids=["TTL", "unicast to multicast", "TTL of unicast"],
)
def test_what_comes_the_wrong_way_is_counted_and_logged_and_nothing_else(master, vr, cause, how):
    with as_master(master, vr):
        before = master.status(vr).counters.get(cause, 0)
        master.send(message(vr, to=how.get("to", GROUP)), **how)
        eventually(cause, lambda: master.status(vr).counters.get(cause) == before + 1)
        eventually("logged", lambda: cause in master.dropped(vr))


def test_multicast_is_never_seen_by_a_router_of_unicast(master):
    with as_master(master, UNICAST):
        counters = master.status(UNICAST).counters
        master.send(message(UNICAST))
        master.send(message(UNICAST, to=str(OURS), priority=0), to=str(OURS))
        eventually("the later one", lambda: master.status(UNICAST).counters["received"] == 1)
        after = master.status(UNICAST).counters
        assert {name for name in after if after[name] != counters.get(name, 0)} <= {
            "sent", "received", "checksum_with_pseudo_header",
        }  # fmt: skip


def test_who_is_no_peer_is_counted_and_logged_and_nothing_else(master):
    master.place.two.sh("ip addr add 10.9.0.9/24 dev eth0")
    with as_master(master, UNICAST):
        data = advert.encode(advert.of(UNICAST, 200), ip_address("10.9.0.9"), OURS)
        master.send(data, to=str(OURS), source="10.9.0.9")
        eventually("counted", lambda: master.status(UNICAST).counters.get("peer") == 1)
        eventually("logged", lambda: "peer" in master.dropped(UNICAST))


def test_another_vrid_is_counted(master):
    with as_master(master, V3):
        before = master.status(V3).counters.get("virtual_router_id", 0)
        master.send(message(V3, virtual_router_id=77))
        eventually(
            "counted", lambda: master.status(V3).counters.get("virtual_router_id") == before + 1
        )


def test_a_signed_advertisement_is_obeyed_and_its_replay_refused(master):
    """The replay comes while the router is master again, within the window."""
    eventually("master", lambda: master.is_(HMAC, "MASTER"))
    recorded = signed()
    master.send(recorded)
    eventually("yields", lambda: master.is_(HMAC, "BACKUP"))
    with as_master(master, HMAC):
        for _ in range(3):
            master.send(recorded)
        eventually("counted", lambda: master.status(HMAC).counters.get("hmac_replayed") == 3)
        eventually("logged", lambda: "hmac_replayed" in master.dropped(HMAC))


YIELDED = [
    ("version 3", V3, {}, None),
    ("version 3: equal priority, higher address", V3, {"priority": 150}, None),
    ("version 3: interval differs", V3, {"advertisement_interval": 0.2}, "interval_learned"),
    ("version 3: other addresses", V3, {"addresses": OTHER * 2}, "address_list"),
    ("version 3: more addresses", V3, {"addresses": (*V3.addresses, *OTHER)}, "address_list"),
    ("version 3: addresses in another order", V3, {"addresses": V3.addresses[::-1]}, None),
    ("version 3: without pseudo-header", V3, {"pseudo_header_checksum": False},
     "checksum_without"),
    ("version 2", V2, {}, None),
    ("password", PASS, {}, None),
    ("unicast", UNICAST, {"to": str(OURS)}, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("vr", "changes", "counter"), [case[1:] for case in YIELDED], ids=[case[0] for case in YIELDED]
)
def test_what_passes_every_check_is_obeyed(master, vr, changes, counter):
    eventually("master", lambda: master.is_(vr, "MASTER"))
    before = master.status(vr).counters
    lines = len(master.lines("vrrp.state", vr))
    data = message(vr, **changes)
    master.send(data, to=changes.get("to", ""))
    eventually("yields", lambda: len(master.lines("vrrp.state", vr)) > lines)
    assert master.lines("vrrp.state", vr)[lines]["new"] == "BACKUP"
    eventually("master again", lambda: master.is_(vr, "MASTER"))
    after = master.status(vr).counters
    assert after["received"] == before["received"] + 1
    if counter:
        assert after[counter] == before.get(counter, 0) + 1
    if counter in ("interval_learned", "address_list"):
        eventually("logged", lambda: master.lines("vrrp.mismatch", vr))


def test_reserved_bits_of_version_3_are_not_looked_at(master):
    eventually("master", lambda: master.is_(V3, "MASTER"))
    master.send(resummed(message(V3), 4, 0xF0))
    eventually("yields", lambda: master.is_(V3, "BACKUP"))


@pytest.mark.parametrize("priority", [0, 50])
def test_a_lower_priority_is_answered_at_once(master, priority):
    """And to one that is master too, the addresses are announced again."""
    with as_master(master, V2):
        mac = master.place.one.mac
        time.sleep(1.1)  # longer than an interval after the last turn
        master.place.heard.clear()
        master.send(message(V2, priority))
        eventually("heard", lambda: master.place.adverts(master.place.two.mac))
        (theirs,) = master.place.adverts(master.place.two.mac)

        def answers() -> list:
            return [
                frame
                for frame in master.place.adverts(mac)
                if frame.data[35] == V2.virtual_router_id and frame.at >= theirs.at
            ]

        eventually("answered", answers)
        assert answers()[0].data[36] == 150
        if priority:
            eventually("announced", lambda: "10.9.0.102" in master.place.announcements(mac))
            eventually("said", lambda: master.lines("vrrp.conflict", V2))
