"""An address owner (RFC 9568 §1.7): its router carries an address that is the machine's own."""

from __future__ import annotations

import pytest

from tests.netns.pair import HEAD, eventually, one_master, site

pytestmark = pytest.mark.netns

OWN = "192.168.1.11"
FILE = HEAD.replace("priority: 150", "priority: 255") + (
    "  - {name: own, virtual_router_id: 1, addresses: [192.168.1.11/24], "
    "advertisement_interval: 100ms}\n"
)


def test_the_owner_keeps_its_address_and_is_heard_by_whoever_has_it_meanwhile():
    """Without accept_local the kernel takes what the owner says for a martian."""
    with site() as place:
        place.start(FILE)
        lb1, lb2 = place.pair
        one_master("own", lb1, lb2)
        assert lb1.stop() == 0
        assert lb1.holds(OWN), "it is the machine's, master or not"
        eventually("the other one has it", lambda: lb2.holds(OWN))
        lb1.start()
        one_master("own", lb1, lb2)
        eventually("the other one gave it up", lambda: not lb2.holds(OWN))
        assert lb1.holds(OWN)
        place.stop()
