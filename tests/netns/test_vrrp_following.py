"""What follows mastership, and what mastership waits for, on real interfaces."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from lvsha.core.moving import VirtualRoute, VirtualRule
from lvsha.core.plan import VirtualRouter
from lvsha.core.types import Family
from tests.netns.segment import Host, Lvsha, eventually, segment

pytestmark = pytest.mark.netns

PLAIN = VirtualRouter(
    "web",
    51,
    "eth0",
    Family.IPV4,
    150,
    (ip_interface("10.9.0.100"),),
    advertisement_interval=0.1,
)
LOW = replace(PLAIN, priority=100)
ROUTES = (
    VirtualRoute(ip_network("10.20.0.0/16"), ip_address("10.9.0.254")),
    VirtualRoute(ip_network("10.30.0.0/16"), ip_address("10.9.0.254"), table=100),
)
RULES = (VirtualRule(ip_network("10.9.0.100/32"), 100),)


@pytest.fixture
def place(tmp_path):
    with segment(tmp_path) as made:
        yield made


def paths(host: Host) -> list[bool]:
    """Whether a host has the first route, the second, the rule."""
    return [
        "10.20.0.0/16 via 10.9.0.254" in host.sh("ip route show"),
        "10.30.0.0/16 via 10.9.0.254" in host.sh("ip route show table all"),
        "from 10.9.0.100 lookup 100" in host.sh("ip rule show"),
    ]


def test_routes_and_rules_are_where_the_master_is_and_are_put_back(place):
    first, second = (replace(vr, routes=ROUTES, rules=RULES) for vr in (PLAIN, LOW))
    with ExitStack() as nodes:
        one = nodes.enter_context(closing(Lvsha(place.one, first)))
        two = nodes.enter_context(closing(Lvsha(place.two, second)))
        eventually("the master has them", lambda: one.is_("MASTER") and all(paths(place.one)))
        assert two.is_("BACKUP")
        assert not any(paths(place.two))

        place.one.sh("ip rule del from 10.9.0.100 lookup 100")
        place.one.sh("ip route del 10.20.0.0/16")
        eventually("they are back", lambda: all(paths(place.one)))

        one.stop()
        assert not any(paths(place.one))
        eventually("the next master has them", lambda: all(paths(place.two)))

        two.kill()
        assert all(paths(place.two))
        again = nodes.enter_context(closing(Lvsha(place.two, replace(second, startup_delay=60.0))))
        assert again.is_("BACKUP")
        assert not any(paths(place.two)), "what a killed one has left is taken off"


def test_a_better_node_leaves_the_master_alone_for_its_preempt_delay(place):
    with closing(Lvsha(place.two, LOW)) as low:
        eventually("master", lambda: low.is_("MASTER"))
        with closing(Lvsha(place.one, replace(PLAIN, preempt_delay=2.0))) as better:
            eventually("hears it", lambda: better.status().master == "10.9.0.2")
            since = better.status().since
            eventually("master", lambda: better.is_("MASTER"))
            assert better.status().since - since > 2.0
            eventually("yields", lambda: low.is_("BACKUP"))


def test_a_node_that_has_started_only_listens_for_its_startup_delay(place):
    with closing(Lvsha(place.one, replace(PLAIN, startup_delay=2.0))) as lvsha:
        eventually("listens", lambda: lvsha.is_("BACKUP"))
        since = lvsha.status().since
        eventually("master", lambda: lvsha.is_("MASTER"))
        assert lvsha.status().since - since > 1.9
