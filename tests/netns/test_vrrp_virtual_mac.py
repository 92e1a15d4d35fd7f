"""A virtual router with a MAC address of its own, on real interfaces."""

from __future__ import annotations

import asyncio
import errno
import json
from contextlib import closing
from dataclasses import replace
from ipaddress import ip_interface

import pytest

from lvsha.core.plan import VirtualRouter
from lvsha.core.types import Family
from lvsha.errors import KernelError
from lvsha.kernel.macvlan import KernelMacvlans
from lvsha.kernel.ports import SysctlName
from lvsha.kernel.sysctls import KernelSysctls, dotted
from tests.netns.segment import Lvsha, eventually, inside, segment
from tests.network import run

pytestmark = pytest.mark.netns

VIP, VIPS6 = "10.9.0.100", ("fe80::99", "2001:db8::99")
ROUTER = VirtualRouter(
    "web",
    51,
    "eth0",
    Family.IPV4,
    150,
    (ip_interface(VIP),),
    advertisement_interval=0.1,
    virtual_mac=True,
)
OTHER = (ip_interface("10.9.0.101"),)
SETTINGS = ("arp_ignore", "arp_filter", "arp_announce")
ROUTER6 = replace(ROUTER, family=Family.IPV6, addresses=tuple(map(ip_interface, VIPS6)))
CASES = [
    pytest.param(ROUTER, "vrrp.51", "00:00:5e:00:01:33", [VIP], id="IPv4"),
    pytest.param(ROUTER6, "vrrp6.51", "00:00:5e:00:02:33", list(VIPS6), id="IPv6"),
]


@pytest.fixture
def place(tmp_path):
    with segment(tmp_path) as made:
        yield made


def links(host) -> dict:
    return {link["ifname"]: link for link in json.loads(host.sh("ip -j -d address show"))}


def setting(host, interface: str, name: str) -> str:
    return host.sh(f"cat /proc/sys/net/ipv4/conf/{interface}/{name}").strip()


@pytest.mark.parametrize(("vr", "name", "mac", "vips"), CASES)
def test_a_master_speaks_and_answers_from_the_routers_mac_address(place, vr, name, mac, vips):
    with closing(Lvsha(place.one, vr)) as lvsha:
        eventually("advertised", lambda: place.adverts(mac))
        eventually("announced", lambda: set(vips) <= set(place.announcements(mac)))
        assert place.adverts(place.one.mac) == []
        link = links(place.one)[name]
        assert link["linkinfo"]["info_data"]["mode"] == "private"
        assert link["address"] == mac
        assert [each["local"] for each in link["addr_info"]] == vips or set(vips) == {
            each["local"] for each in link["addr_info"]
        }
        if vr is ROUTER:
            place.two.sh(f"ping -c 1 -W 2 {VIP}")
            assert mac in place.two.sh(f"ip neigh show {VIP}")
            assert setting(place.one, "eth0", "arp_ignore") == "1"
        lvsha.stop()
        assert name not in links(place.one)
        assert setting(place.one, "eth0", "arp_ignore") == "0"


def test_of_two_with_the_same_mac_address_the_better_becomes_master_again_after_a_parting(place):
    """Each is handed the other's packets on the interface that has the address both have."""
    bridge = place.bridge
    low = replace(ROUTER, priority=100)
    with closing(Lvsha(place.one, ROUTER)) as first, closing(Lvsha(place.two, low)) as second:
        eventually("master", lambda: first.is_("MASTER") and second.is_("BACKUP"))
        run(f"ip -n {bridge} link set p2 nomaster")
        eventually("two masters", lambda: second.is_("MASTER"))
        assert first.is_("MASTER")
        run(f"ip -n {bridge} link set p2 master br0")
        eventually("one again", lambda: second.is_("BACKUP"))
        assert first.is_("MASTER")
        assert "vrrp.51" not in links(place.two)


def test_a_killed_processes_interface_goes_before_the_next_listens_and_its_parents_settings(place):
    place.one.sh("sysctl -qw net.ipv4.conf.eth0.arp_announce=1")
    both = (ROUTER, replace(ROUTER, name="other", virtual_router_id=52, addresses=OTHER))
    with closing(Lvsha(place.one, *both)) as first:
        eventually("masters", lambda: {"vrrp.51", "vrrp.52"} <= links(place.one).keys())
        eventually("set", lambda: setting(place.one, "eth0", "arp_announce") == "2")
        first.kill()
    assert {"vrrp.51", "vrrp.52"} <= links(place.one).keys()
    slow = [replace(router, advertisement_interval=10.0) for router in both]
    with closing(Lvsha(place.one, *slow)) as second:
        eventually("listens", lambda: second.is_("BACKUP"))
        assert not {"vrrp.51", "vrrp.52"} & links(place.one).keys()
        found = {name: setting(place.one, "eth0", name) for name in SETTINGS}
        assert found == {"arp_ignore": "0", "arp_filter": "0", "arp_announce": "1"}


def test_an_interface_of_somebody_elses_making_goes_without_a_word_on_its_parent(place):
    """Its alias is not ours, whatever it says."""
    place.one.sh("ip link add vrrp.51 link eth0 type macvlan")
    place.one.sh("ip link set vrrp.51 alias 'arp_ignore=3 arp_filter=1 arp_announce=2'")
    with closing(Lvsha(place.one, replace(ROUTER, advertisement_interval=10.0))) as lvsha:
        eventually("listens", lambda: lvsha.is_("BACKUP"))
        assert "vrrp.51" not in links(place.one)
        assert {setting(place.one, "eth0", name) for name in SETTINGS} == {"0"}


def test_an_interface_somebody_took_away_is_made_anew(place):
    with closing(Lvsha(place.one, ROUTER)) as lvsha:
        eventually("there", lambda: "vrrp.51" in links(place.one))
        place.one.sh("ip link del vrrp.51")
        eventually("there again", lambda: links(place.one).get("vrrp.51", {}).get("addr_info"))
        assert lvsha.is_("MASTER")


def test_an_interface_that_can_not_be_set_up_does_not_stay(place):
    """Its router holds no address then, and would not take it away when it stops."""

    async def refused() -> int:
        macvlans = await KernelMacvlans.open(ReadOnly())
        try:
            await macvlans.make("vrrp.51", "eth0", bytes.fromhex("00005e000133"))
        except KernelError as error:
            return error.errno
        finally:
            await macvlans.close()
        return 0

    assert inside(place.one.namespace, lambda: asyncio.run(refused())) == errno.EROFS
    assert "vrrp.51" not in links(place.one)


class ReadOnly(KernelSysctls):
    """/proc/sys as many containers have it."""

    def write(self, name: SysctlName, value: str) -> None:
        raise KernelError(errno.EROFS, dotted(name))
