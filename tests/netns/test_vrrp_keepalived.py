"""lvsha and a real keepalived on one segment: who holds the address, through every transition."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from contextlib import ExitStack, closing
from dataclasses import replace

import pytest

from lvsha.core.types import Family
from tests.netns.kinds import Kind, heal_after_two_masters, moved, never_two_holders, taken_over
from tests.netns.segment import Lvsha, eventually, segment

pytestmark = [
    pytest.mark.netns,
    pytest.mark.skipif(not shutil.which("keepalived"), reason="needs the package keepalived"),
]


V3, V3_IPV6 = Kind(3, Family.IPV4, 0.1), Kind(3, Family.IPV6, 0.1)
V2 = Kind(2, Family.IPV4, 1)
PASS = replace(V2, password="secret12")
QUICK = (V3, V3_IPV6, replace(V3, unicast=True))
LONG = (
    replace(V3_IPV6, unicast=True),
    V2,
    PASS,
    replace(V2, unicast=True),
    replace(PASS, unicast=True),
)
SIGNED = tuple(
    replace(kind, key=bytes(range(32))) for kind in (V3, V3_IPV6, replace(V3, unicast=True), V2)
)
every_kind = pytest.mark.parametrize(
    "kind",
    [
        *QUICK,
        *(pytest.param(kind, marks=[pytest.mark.long, pytest.mark.timeout(180)]) for kind in LONG),
    ],
    ids=str,
)


@pytest.fixture
def place(tmp_path):
    with segment(tmp_path) as made:
        yield made


@every_kind
def test_lvsha_as_master_wins_a_partition_hands_over_to_keepalived_and_takes_back(place, kind):
    """Master by priority; cut off and healed; stopped in order; back; dead with its link.

    keepalived yields without a word unless told to: then nobody could know there were two.
    """
    with ExitStack() as peers, never_two_holders(place, kind) as two_for_now:
        told = kind.keepalived(place.two, 100, "higher_prio_send_advert")
        peers.enter_context(closing(told))
        lvsha = peers.enter_context(closing(Lvsha(place.one, kind.router(place.one, 150))))
        moved(place, kind, place.one, place.two)
        ours = kind.source(place.one)
        eventually("knows it is itself", lambda: lvsha.status().master == ours)

        with two_for_now():
            heal_after_two_masters(place, kind)
        moved(place, kind, place.one, place.two)
        eventually("says so", lambda: lvsha.is_("MASTER"))
        conflict = eventually("logged", lambda: [at for at in lvsha.lines if "conflict" in at])
        assert json.loads(conflict[0])["event"] == "vrrp.conflict"

        lvsha.stop()
        moved(place, kind, place.two, place.one)

        place.heard.clear()
        again = peers.enter_context(closing(Lvsha(place.one, kind.router(place.one, 150))))
        moved(place, kind, place.one, place.two)

        place.heard.clear()
        place.one.unplug()
        again.kill()
        taken_over(place, kind, place.two)


@every_kind
def test_keepalived_as_master_wins_a_partition_hands_over_to_lvsha_and_takes_back(place, kind):
    """After the partition it is lvsha's parting word that makes keepalived announce."""
    with ExitStack() as peers, never_two_holders(place, kind) as two_for_now:
        lvsha = peers.enter_context(closing(Lvsha(place.one, kind.router(place.one, 100))))
        keepalived = peers.enter_context(closing(kind.keepalived(place.two, 150)))
        moved(place, kind, place.two, place.one)
        theirs = kind.source(place.two)
        eventually("knows its master", lambda: lvsha.status().master == theirs)

        with two_for_now():
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


def keepalived_signs() -> bool:
    """auth_hmac of 2.4.0 to 2.4.2 is none of any other version's."""
    said = subprocess.run(["keepalived", "--version"], check=False, capture_output=True, text=True)
    found = re.search(r"v(\d+)\.(\d+)\.(\d+)", said.stderr + said.stdout)
    return found is not None and tuple(map(int, found.groups())) >= (2, 4, 3)


@pytest.mark.skipif("not keepalived_signs()", reason="needs keepalived 2.4.3")
@pytest.mark.parametrize("kind", SIGNED, ids=str)
def test_each_side_believes_what_the_other_has_signed(place, kind):
    with ExitStack() as peers:
        keepalived = peers.enter_context(closing(kind.keepalived(place.two, 150)))
        lvsha = peers.enter_context(closing(Lvsha(place.one, kind.router(place.one, 100))))
        moved(place, kind, place.two, place.one)
        eventually("believes", lambda: lvsha.status().master == kind.source(place.two))
        keepalived.stop()
        moved(place, kind, place.one, place.two)
        place.heard.clear()
        again = peers.enter_context(closing(kind.keepalived(place.two, 50)))
        sent = lvsha.status().counters["sent"]
        eventually("advertises on", lambda: lvsha.status().counters["sent"] > sent + 4)
        assert not place.two.holds(*kind.vips), "it believes that there is a master"
        lvsha.stop()
        moved(place, kind, place.two, place.one)
        again.stop()


def test_version_2_is_spoken_with_keepalived_by_password(place):
    with ExitStack() as peers:
        keepalived = peers.enter_context(closing(PASS.keepalived(place.two, 254)))
        lvsha = peers.enter_context(closing(Lvsha(place.one, PASS.router(place.one, 200))))
        moved(place, PASS, place.two, place.one)
        keepalived.stop()
        moved(place, PASS, place.one, place.two)
        assert {"sent", "received"} >= set(lvsha.status().counters)
