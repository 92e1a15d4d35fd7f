"""lvsha and a real keepalived on one segment: who holds the address, through every transition."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack, closing
from dataclasses import dataclass
from ipaddress import ip_interface

import pytest

from lvsha.core.plan import VirtualRouter
from lvsha.core.types import Family
from tests.netns.segment import Host, Keepalived, Lvsha, Segment, eventually, segment
from tests.network import run

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(not shutil.which("keepalived"), reason="needs the package keepalived"),
]


@dataclass(frozen=True)
class Kind:
    """One protocol variant: its addresses, its pace, and how each side is told."""

    version: int
    family: Family
    vips: tuple[str, ...]
    interval: float

    def router(self, priority: int) -> VirtualRouter:
        vips = tuple(ip_interface(vip) for vip in self.vips)
        return VirtualRouter(
            "web", 51, "eth0", self.family, priority, vips,
            version=self.version, advertisement_interval=self.interval,
        )  # fmt: skip

    def keepalived(self, host: Host, priority: int, option: str = "") -> Keepalived:
        lines = "\n".join(self.vips)
        body = f"""vrrp_instance web {{
            interface eth0
            virtual_router_id 51
            priority {priority}
            {option}
            advert_int {self.interval:g}
            virtual_ipaddress {{
                {lines}
            }}
        }}"""
        return Keepalived(host, body, version=self.version)


V3 = Kind(3, Family.IPV4, ("10.9.0.100",), 0.1)
V3_IPV6 = Kind(3, Family.IPV6, ("fe80::99", "2001:db8::99"), 0.1)
V2 = Kind(2, Family.IPV4, ("10.9.0.100", "10.9.0.101"), 1)

both_families = pytest.mark.parametrize("kind", [V3, V3_IPV6], ids=["IPv4", "IPv6"])


@pytest.fixture
def place(tmp_path):
    with segment(tmp_path) as made:
        yield made


@both_families
def test_lvsha_as_master_wins_a_partition_hands_over_to_keepalived_and_takes_back(place, kind):
    """Master by priority; cut off and healed; stopped in order; back; dead with its link.

    keepalived yields without a word unless told to: then nobody could know there were two.
    """
    with ExitStack() as peers:
        told = kind.keepalived(place.two, 100, "higher_prio_send_advert")
        peers.enter_context(closing(told))
        lvsha = peers.enter_context(closing(Lvsha(place.one, kind.router(150))))
        moved(place, kind, place.one, place.two)
        ours = "10.9.0.1" if kind.family is Family.IPV4 else place.one.link_local
        assert lvsha.status().master == ours

        heal_after_two_masters(place, kind)
        moved(place, kind, place.one, place.two)
        eventually("says so", lambda: lvsha.is_("MASTER"))
        conflict = eventually("logged", lambda: [at for at in lvsha.lines if "conflict" in at])
        assert json.loads(conflict[0])["event"] == "vrrp.conflict"

        lvsha.stop()
        moved(place, kind, place.two, place.one)

        place.heard.clear()
        again = peers.enter_context(closing(Lvsha(place.one, kind.router(150))))
        moved(place, kind, place.one, place.two)

        place.heard.clear()
        place.one.unplug()
        again.kill()
        taken_over(place, kind, place.two)


@both_families
def test_keepalived_as_master_wins_a_partition_hands_over_to_lvsha_and_takes_back(place, kind):
    """After the partition it is lvsha's parting word that makes keepalived announce."""
    with ExitStack() as peers:
        lvsha = peers.enter_context(closing(Lvsha(place.one, kind.router(100))))
        keepalived = peers.enter_context(closing(kind.keepalived(place.two, 150)))
        moved(place, kind, place.two, place.one)
        theirs = "10.9.0.2" if kind.family is Family.IPV4 else place.two.link_local
        eventually("knows its master", lambda: lvsha.status().master == theirs)

        heal_after_two_masters(place, kind)
        moved(place, kind, place.two, place.one)
        eventually("says so", lambda: lvsha.is_("BACKUP"))

        place.heard.clear()
        keepalived.stop()
        moved(place, kind, place.one, place.two)

        again = peers.enter_context(closing(kind.keepalived(place.two, 150)))
        moved(place, kind, place.two, place.one)

        place.heard.clear()
        place.two.unplug()
        again.kill()
        taken_over(place, kind, place.one)


def test_version_2_is_spoken_with_keepalived(place):
    with ExitStack() as peers:
        keepalived = peers.enter_context(closing(V2.keepalived(place.two, 254)))
        lvsha = peers.enter_context(closing(Lvsha(place.one, V2.router(200))))
        moved(place, V2, place.two, place.one)
        keepalived.stop()
        moved(place, V2, place.one, place.two)
        assert {"sent", "received"} >= set(lvsha.status().counters)


def moved(place: Segment, kind: Kind, to: Host, away: Host) -> None:
    """The addresses are on one host, not on the other, and the segment was told."""
    taken_over(place, kind, to)
    eventually(f"off {away.namespace}", lambda: not any(map(away.holds, kind.vips)))


def taken_over(place: Segment, kind: Kind, to: Host) -> None:
    eventually(f"{kind.vips} on {to.namespace}", lambda: to.holds(*kind.vips))
    mac = to.mac
    eventually("announced", lambda: set(kind.vips) <= set(place.announcements(mac)))


def heal_after_two_masters(place: Segment, kind: Kind) -> None:
    cut(place, apart=True)
    eventually("two masters", lambda: all(h.holds(*kind.vips) for h in (place.one, place.two)))
    place.heard.clear()
    cut(place, apart=False)


def cut(place: Segment, *, apart: bool) -> None:
    """Isolated ports of a bridge do not talk to each other: no carrier is lost."""
    for port in ("p1", "p2"):
        word = "on" if apart else "off"
        run(f"bridge -n {place.bridge} link set dev {port} isolated {word}")
