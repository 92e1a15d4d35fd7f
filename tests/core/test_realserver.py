"""Real server steps: what they bring about, in which order, and that they undo exactly."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsha.core.codec import decode, encode
from lvsha.core.plan import LoopbackAddress, RealServerPlan
from lvsha.core.realserver import (
    ABSENT,
    DOWN,
    MISSING,
    PRESENT,
    UP,
    Item,
    LinkState,
    Presence,
    Setting,
    Step,
    forget,
    items_to_read,
    remember,
    steps,
    wanted,
)
from lvsha.core.types import Forwarding, Tunnel, TunnelType
from lvsha.errors import HostError

VIPS = ("192.0.2.100", "192.0.2.101", "2001:db8::100", "2001:db8::101")
ARP = [Setting(where, name) for name in ("arp_ignore", "arp_announce") for where in ("all", "lo")]
RP_FILTERS = [Setting(where, "rp_filter") for where in ("all", "tunl0")]
LINKS = [LinkState(name) for name in ("lo", "tunl0", "sit0")]
PLACES = [
    Presence(interface, ip_interface(vip)) for vip in VIPS for interface in ("lo", "tunl0", "sit0")
]


def plan(*vips: tuple[str, Forwarding], address: str = "192.0.2.21") -> RealServerPlan:
    server = ip_address(address)
    places = tuple(LoopbackAddress(ip_address(vip), forwarding, server) for vip, forwarding in vips)
    return RealServerPlan("web", places)


def fresh() -> dict[Item, str]:
    """A machine nobody has touched."""
    return {
        **dict.fromkeys((*ARP, *RP_FILTERS), "0"),
        **dict.fromkeys(LINKS, DOWN),
        LinkState("lo"): UP,
        **dict.fromkeys(PLACES, ABSENT),
    }


vips = st.lists(
    st.tuples(st.sampled_from(VIPS), st.sampled_from((Forwarding.DR, Forwarding.TUN))),
    unique=True,
    max_size=5,
)
plans = vips.map(lambda chosen: plan(*chosen))
machines = st.fixed_dictionaries(
    {
        **dict.fromkeys((*ARP, *RP_FILTERS), st.sampled_from("012")),
        **dict.fromkeys(LINKS, st.sampled_from((UP, DOWN))),
        **dict.fromkeys(PLACES, st.sampled_from((PRESENT, ABSENT, ABSENT))),
    }
)


def up(wish: RealServerPlan, found: dict[Item, str], facts: dict[Item, str]) -> dict[Item, str]:
    """What the agent does; the machine is changed, what was found comes back."""
    todo = steps(wish, found, facts)
    found = remember(wish, found, facts)
    facts |= {step.item: step.value for step in todo}
    return forget(wish, found)


def down(found: dict[Item, str], facts: dict[Item, str]) -> None:
    facts |= {step.item: step.value for step in steps(None, found, facts)}


def test_direct_routing_sets_arp_then_the_address() -> None:
    assert steps(plan((VIPS[0], Forwarding.DR)), {}, fresh()) == (
        Step(Setting("all", "arp_ignore"), "1", "0"),
        Step(Setting("lo", "arp_ignore"), "1", "0"),
        Step(Setting("all", "arp_announce"), "2", "0"),
        Step(Setting("lo", "arp_announce"), "2", "0"),
        Step(Presence("lo", ip_interface("192.0.2.100/32")), PRESENT, ABSENT),
    )


def test_the_way_out_takes_the_address_off_first() -> None:
    facts = fresh()
    found = up(plan((VIPS[0], Forwarding.DR)), {}, facts)
    todo = steps(None, found, facts)
    assert todo[0] == Step(Presence("lo", ip_interface("192.0.2.100/32")), ABSENT, PRESENT)
    assert {step.item for step in todo[1:]} == set(ARP)


def test_a_tunnel_is_up_and_loose_before_it_holds_the_vip() -> None:
    todo = steps(plan((VIPS[0], Forwarding.TUN)), {}, fresh())
    assert [step.item for step in todo if step.item not in ARP] == [
        Setting("tunl0", "rp_filter"),
        LinkState("tunl0"),
        Presence("tunl0", ip_interface("192.0.2.100/32")),
    ]


def test_ipv6_alone_needs_no_arp_settings() -> None:
    """The kernel answers neighbour solicitations only for the asked interface's addresses."""
    todo = steps(plan((VIPS[2], Forwarding.DR)), {}, fresh())
    assert todo == (Step(Presence("lo", ip_interface("2001:db8::100/128")), PRESENT, ABSENT),)


@pytest.mark.parametrize(
    ("vip", "address", "interface"),
    [
        (VIPS[0], "192.0.2.21", "tunl0"),
        (VIPS[2], "2001:db8::21", "ip6tnl0"),
        (VIPS[2], "192.0.2.21", "sit0"),
    ],
)
def test_the_tunnel_fits_the_families_inside_and_outside(vip, address, interface) -> None:
    items = wanted(plan((vip, Forwarding.TUN), address=address))
    assert items[LinkState(interface)] == UP
    assert items[Presence(interface, ip_interface(vip))] == PRESENT


def test_ipv4_inside_ipv6_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(HostError, match=r"192\.0\.2\.100: .*IPv4 address instead of 2001:db8::21"):
        wanted(plan((VIPS[0], Forwarding.TUN), address="2001:db8::21"))


@pytest.mark.parametrize("kind", [TunnelType.GUE, TunnelType.GRE])
def test_gue_and_gre_are_errors_that_name_the_vip(kind: TunnelType) -> None:
    server = ip_address("192.0.2.21")
    place = LoopbackAddress(ip_address(VIPS[0]), Forwarding.TUN, server, Tunnel(kind))
    wish = RealServerPlan("web", (place,))
    words = f"192.0.2.100: a real server takes no {kind.name.lower()} tunnel yet, only ipip"
    with pytest.raises(HostError) as caught:
        steps(wish, {}, fresh())
    assert str(caught.value) == words


def test_a_nat_real_server_needs_nothing() -> None:
    assert steps(plan((VIPS[0], Forwarding.NAT)), {}, fresh()) == ()


@pytest.mark.parametrize(
    ("for_all", "own", "differs"),
    [("0", "2", False), ("1", "2", False), ("2", "0", False), ("1", "0", True), ("1", "1", True)],
)
def test_rp_filter_is_judged_as_the_kernel_does(for_all: str, own: str, differs: bool) -> None:
    """It takes the larger of `all` and the interface's own."""
    facts = fresh() | {Setting("all", "rp_filter"): for_all, Setting("tunl0", "rp_filter"): own}
    todo = steps(plan((VIPS[0], Forwarding.TUN)), {}, facts)
    found = [step.difference for step in todo if step.item == Setting("tunl0", "rp_filter")]
    whole = f"net.ipv4.conf.tunl0.rp_filter is {own}, net.ipv4.conf.all.rp_filter {for_all}"
    assert found == ([f"{whole}, wanted 2"] if differs else [])


def test_a_missing_interface_is_said_once() -> None:
    facts = {item: value for item, value in fresh().items() if item.interface != "tunl0"}
    todo = steps(plan((VIPS[0], Forwarding.TUN)), {}, facts)
    missing = [step for step in todo if step.item.interface == "tunl0"]
    assert missing == [Step(LinkState("tunl0"), UP, MISSING)]
    assert missing[0].difference == "tunl0 is missing, wanted up"


def test_differences_read_as_sentences() -> None:
    todo = steps(plan((VIPS[0], Forwarding.DR)), {}, fresh())
    assert todo[0].difference == "net.ipv4.conf.all.arp_ignore is 0, wanted 1"
    assert todo[-1].difference == "192.0.2.100/32 on lo is absent, wanted present"


def test_a_vip_that_left_the_file_goes_and_the_others_stay() -> None:
    facts = fresh()
    found = up(plan((VIPS[0], Forwarding.DR), (VIPS[1], Forwarding.DR)), {}, facts)
    todo = steps(plan((VIPS[1], Forwarding.DR)), found, facts)
    assert todo == (Step(Presence("lo", ip_interface("192.0.2.100/32")), ABSENT, PRESENT),)


def test_an_address_that_was_there_before_us_is_left() -> None:
    ours = Presence("lo", ip_interface("192.0.2.100/32"))
    facts = fresh() | {ours: PRESENT}
    found = up(plan((VIPS[0], Forwarding.DR)), {}, facts)
    down(found, facts)
    assert facts[ours] == PRESENT


@given(plans, machines)
def test_up_reaches_the_plan_and_repeating_it_changes_nothing(wish, machine) -> None:
    facts = dict(machine)
    found = up(wish, {}, facts)
    assert steps(wish, found, facts) == ()
    again = dict(facts)
    assert up(wish, found, again) == found
    assert again == facts


@given(st.lists(plans, max_size=4), machines)
def test_down_restores_what_the_first_up_found_whatever_came_between(wishes, machine) -> None:
    facts, found = dict(machine), {}
    for wish in wishes:
        found = up(wish, found, facts)
    down(found, facts)
    assert facts == machine


@given(st.lists(plans, max_size=3), machines)
def test_what_drifted_since_is_restored_too(wishes, machine) -> None:
    facts, found = dict(machine), {}
    for wish in wishes:
        found = up(wish, found, facts)
    facts |= {item: machine[item] for item in ARP}
    down(found, facts)
    assert facts == machine


@given(plans, plans, machines)
def test_no_vip_of_ours_ever_stands_without_its_arp_settings(before, after, machine) -> None:
    facts, found = dict(machine), {}
    for wish in (before, after, None):
        todo = steps(wish, found, facts)
        found = remember(wish, found, facts) if wish else found
        for step in todo:
            facts[step.item] = step.value
            ours = [item for item in PLACES if item.address.version == 4 and item in found]
            exposed = any(facts[item] == PRESENT != machine[item] for item in ours)
            guarded = [facts[item] for item in ARP] == ["1", "1", "2", "2"]
            assert guarded or not exposed
        found = forget(wish, found) if wish else {}


@given(plans, machines)
def test_every_item_a_step_touches_was_read_and_remembered(wish, machine) -> None:
    read = items_to_read(wish, {})
    facts = {item: machine[item] for item in read}
    todo = steps(wish, {}, facts)
    assert {step.item for step in todo} <= set(remember(wish, {}, facts)) <= read


@given(plans, machines)
def test_what_was_found_survives_json(wish, machine) -> None:
    found = remember(wish, {}, machine)
    data = encode(tuple(found.items()))
    assert dict(decode(tuple[tuple[Item, str], ...], data)) == found
