"""The VRRP process on real sockets, links and addresses, without a peer's help."""

from __future__ import annotations

import json
import signal
import time
from contextlib import closing
from dataclasses import replace
from ipaddress import ip_address, ip_interface

import pytest

from lvsha.core import advert
from lvsha.core.plan import VirtualRouter
from lvsha.core.types import Family
from tests.netns.segment import Lvsha, eventually, inside, raw_advert, segment
from tests.network import run

pytestmark = pytest.mark.netns

VIP = "10.9.0.100"
VIPS6 = ("fe80::99", "2001:db8::99")
ROUTER = VirtualRouter(
    "web", 51, "eth0", Family.IPV4, 150, (ip_interface(VIP),), advertisement_interval=0.1
)
ROUTER6 = replace(ROUTER, family=Family.IPV6, addresses=tuple(map(ip_interface, VIPS6)))


@pytest.fixture
def place(tmp_path):
    with segment(tmp_path) as made:
        yield made


@pytest.fixture(params=[ROUTER, ROUTER6], ids=["IPv4", "IPv6"])
def master(request, place):
    """lvsha, alone and master."""
    with closing(Lvsha(place.one, request.param)) as lvsha:
        eventually("master", lambda: lvsha.is_("MASTER"))
        yield lvsha


def inject(place, lvsha, vr, *, ttl=255, cut=0, tail=b"", flip=False):
    """From the other host, an advertisement of priority 200 with something wrong about it."""
    family = vr.family
    source = "10.9.0.2" if family is Family.IPV4 else place.two.link_local
    message = advert.encode(advert.of(vr, 200), ip_address(source), advert.GROUP[family])
    message = message[: len(message) - cut] + tail
    if flip:
        message = message[:-1] + bytes([message[-1] ^ 1])
    inside(place.two.namespace, raw_advert(source, message, ttl=ttl))


BAD = {
    "ttl": {"ttl": 254},
    "truncated": {"cut": 3},
    "overlong": {"tail": bytes(28)},
    "checksum": {"flip": True},
}


def test_every_bad_packet_on_the_wire_has_its_counter_and_no_effect(place, master):
    vr = ROUTER if master.status().addresses == (f"{VIP}/32",) else ROUTER6
    for wrong in BAD.values():
        inject(place, master, vr, **wrong)
    inject(place, master, replace(vr, virtual_router_id=77))
    for cause in (*BAD, "virtual_router_id"):
        eventually(cause, lambda cause=cause: master.status().counters.get(cause) == 1)
    assert master.is_("MASTER")
    inject(place, master, vr)
    eventually("yields to the good one", lambda: master.is_("BACKUP"))
    dropped = [json.loads(line) for line in master.lines if "vrrp.dropped" in line]
    assert sorted(line["cause"] for line in dropped) == sorted(BAD)


def test_a_version_3_checksum_without_pseudo_header_is_accepted(place):
    with closing(Lvsha(place.one, ROUTER)) as lvsha:
        eventually("master", lambda: lvsha.is_("MASTER"))
        inject(place, lvsha, replace(ROUTER, pseudo_header_checksum=False))
        eventually("yields", lambda: lvsha.is_("BACKUP"))
        assert lvsha.status().counters["checksum_without"] == 1


def test_scapy_reads_the_advertisement_and_finds_its_checksum_right(place, master):
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import Ether
    from scapy.layers.vrrp import VRRPv3

    mac = place.one.mac
    frame = eventually("heard", lambda: place.adverts(mac))[0].data
    packet = Ether(frame)
    message = packet[VRRPv3]
    assert (message.vrid, message.priority, message.adv, message.ipcount) == (
        51, 150, 10, 1 if IP in packet else 2,
    )  # fmt: skip
    if IP in packet:
        header = packet[IP]
        assert (header.ttl, header.tos, header.flags.value, header.dst) == (
            255, 0xC0, 0, "224.0.0.18",
        )  # fmt: skip
        assert (packet.dst, header.id) == ("01:00:5e:00:00:12", 1)
    else:
        header = packet[IPv6]
        assert (header.hlim, header.tc, header.dst) == (255, 0xC0, "ff02::12")
        assert (packet.dst, header.src) == ("33:33:00:00:00:12", place.one.link_local)
    sent = message.chksum
    del message.chksum
    assert Ether(bytes(packet))[VRRPv3].chksum == sent


def test_a_killed_processes_vip_is_taken_off_by_the_next_before_it_listens(place):
    with closing(Lvsha(place.one, ROUTER)) as first:
        eventually("master", lambda: first.is_("MASTER"))
        first.kill()
    assert place.one.holds(VIP)
    slow = replace(ROUTER, advertisement_interval=10.0)
    with closing(Lvsha(place.one, slow)) as second:
        assert second.is_("BACKUP")
        assert not place.one.holds(VIP)


def test_a_vip_somebody_deletes_is_put_back(place, master):
    vips = [address.partition("/")[0] for address in master.status().addresses]
    place.one.sh(f"ip addr del {master.status().addresses[-1]} dev eth0")
    eventually("back", lambda: place.one.holds(*vips))
    eventually("logged", lambda: any("vrrp.drift" in line for line in master.lines))
    assert master.is_("MASTER")


def test_an_interface_that_goes_down_is_a_fault_and_up_again_an_election(place, master):
    vips = [address.partition("/")[0] for address in master.status().addresses]
    place.one.unplug()
    eventually("fault", lambda: master.is_("FAULT"))
    assert master.status().faults == ("interface eth0 is down",)
    eventually("no VIP", lambda: not any(map(place.one.holds, vips)))
    place.one.plug()
    eventually("master again", lambda: master.is_("MASTER"))
    eventually("VIP back", lambda: place.one.holds(*vips))


def test_an_interface_deleted_and_made_again_is_picked_up(place, master):
    mac = place.one.mac
    place.one.sh("ip link del eth0")
    eventually("fault", lambda: master.is_("FAULT"))
    assert master.status().faults == ("interface eth0 is missing",)
    one, bridge = place.one.namespace, place.bridge
    run(f"ip -n {one} link add eth0 address {mac} type veth peer name p1 netns {bridge}")
    run(f"ip -n {bridge} link set p1 master br0 up")
    place.heard.clear()
    place.one.sh("ip addr add 10.9.0.1/24 dev eth0")
    place.one.plug()
    eventually("master again", lambda: master.is_("MASTER"))
    eventually("advertising", lambda: place.adverts(mac))


def test_an_interface_renamed_under_a_master_keeps_no_vip(place, master):
    """The peer takes over: nobody must hold them beside it."""
    vips = [address.partition("/")[0] for address in master.status().addresses]
    try:
        place.one.sh("ip link set eth0 name other0")
    except AssertionError:
        pytest.skip("before Linux 6.2 an interface that is up keeps its name")
    eventually("fault", lambda: master.is_("FAULT"))
    assert master.status().faults == ("interface eth0 is missing",)
    shown = "ip -br addr show dev other0"
    eventually("no VIP", lambda: not any(f" {vip}/" in place.one.sh(shown) for vip in vips))
    place.one.sh("ip link set other0 name eth0")
    eventually("master again", lambda: master.is_("MASTER"))
    eventually("VIP back", lambda: place.one.holds(*vips))
    place.one.sh(f"ip addr del {master.status().addresses[0]} dev eth0")
    eventually("put back", lambda: place.one.holds(*vips))


def test_an_ipv6_vip_is_usable_the_moment_it_is_there(place):
    """IFA_F_NODAD: a tentative address answers nobody."""
    place.one.sh("sysctl -qw net.ipv6.conf.eth0.accept_dad=1 net.ipv6.conf.eth0.dad_transmits=1")
    with closing(Lvsha(place.one, ROUTER6)) as lvsha:
        eventually("master", lambda: lvsha.is_("MASTER"))
        eventually("holds", lambda: place.one.holds(*VIPS6))
        shown = place.one.sh("ip -6 addr show dev eth0")
        assert "tentative" not in shown
        assert shown.count("nodad") == 2
        place.two.sh("ping -6 -c1 -W2 fe80::99%eth0")


def test_a_reload_moves_the_vip_under_a_master_that_stays_one(place):
    with closing(Lvsha(place.one, ROUTER)) as lvsha:
        eventually("master", lambda: lvsha.is_("MASTER"))
        since = lvsha.status().since
        lvsha.configure(replace(ROUTER, addresses=(ip_interface("10.9.0.101"),)))
        eventually("moved", lambda: place.one.holds("10.9.0.101") and not place.one.holds(VIP))
        assert (lvsha.status().state, lvsha.status().since) == ("MASTER", since)


def test_the_process_ends_in_order_when_the_supervisor_is_gone(place, master):
    vips = [address.partition("/")[0] for address in master.status().addresses]
    master._ours.shutdown(2)
    assert master.process.wait(5) == 0
    assert not any(map(place.one.holds, vips))
    last = place.adverts(place.one.mac)[-1].data
    assert last[36 if last[12:14] == b"\x08\x00" else 56] == 0, "priority"


def test_a_ctrl_c_at_the_terminal_is_the_supervisors_business(place, master):
    master.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert master.process.poll() is None
    master.process.send_signal(signal.SIGTERM)
    assert master.process.wait(5) == 0


def test_a_node_whose_link_brings_nothing_yet_leaves_a_modest_master_alone(place):
    """Its bridge port takes part only later: carrier, but not one frame."""
    modest = replace(ROUTER, preempt=False, priority=100, neighbours=(ip_address("10.9.0.1"),))
    better = replace(modest, priority=150, neighbours=(ip_address("10.9.0.2"),))
    with closing(Lvsha(place.two, modest)) as incumbent:
        eventually("master", lambda: incumbent.is_("MASTER"))
        since = incumbent.status().since
        quiet = "sysctl -qw net.ipv6.conf.p1.disable_ipv6=1"  # a port says nothing of its own
        run(f"ip netns exec {place.bridge} {quiet}")
        run(f"ip -n {place.bridge} link set p1 nomaster")
        with closing(Lvsha(place.one, better)) as newcomer:
            time.sleep(1.5)  # four times what silence takes to mean something
            assert newcomer.is_("BACKUP")
            run(f"ip -n {place.bridge} link set p1 master br0")
            eventually("hears", lambda: newcomer.status().master == "10.9.0.2")
            assert (newcomer.status().state, incumbent.status().state) == ("BACKUP", "MASTER")
            assert incumbent.status().since == since


def test_a_modest_node_whose_neighbour_answers_waits_no_longer_than_ever(place):
    vr = replace(ROUTER, preempt=False, neighbours=(ip_address("10.9.0.2"),))
    with closing(Lvsha(place.one, vr)) as lvsha:
        eventually("master", lambda: lvsha.is_("MASTER"))


def test_its_memory_is_locked_or_it_says_that_it_is_not(master):
    """Locked or not is this machine's to grant."""
    with open(f"/proc/{master.process.pid}/status") as status:
        (locked,) = (int(line.split()[1]) for line in status if line.startswith("VmLck"))
    complaint = [line for line in master.lines if "memory is not locked" in line]
    assert bool(locked) != bool(complaint)
