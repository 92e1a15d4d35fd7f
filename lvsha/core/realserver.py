"""What a real server's machine must be so that it may answer for a VIP, and the way back.

Laws of this file: the host is a set of items with values; a plan wants some of them at certain
values, and what was found there before us is kept per item. A step brings one item to one value.
`down` is `steps` of a plan that wants nothing. On the way in the ARP settings come before the
address, on the way out the address goes before them: in between, the wrong machine would answer
the clients' ARP requests for the VIP.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_interface
from typing import TypeAlias, assert_never

from lvsha.core.plan import LoopbackAddress, RealServerPlan
from lvsha.core.types import Family, Forwarding, InterfaceAddress, TunnelType
from lvsha.errors import HostError

UP, DOWN, PRESENT, ABSENT, MISSING = "up", "down", "present", "absent", "missing"

ARP_SETTINGS = {"arp_ignore": "1", "arp_announce": "2"}
"""Answer ARP only for addresses of the asked interface; never announce a VIP as one's own."""

LOOSE = "2"
"""rp_filter as in RFC 3704 §2.4: a client need be reachable, not through the tunnel it came by."""

TUNNELS = {
    (Family.IPV4, Family.IPV4): "tunl0",
    (Family.IPV6, Family.IPV6): "ip6tnl0",
    (Family.IPV6, Family.IPV4): "sit0",
}
"""The kernel's catch-all tunnel device for a VIP's family inside packets of another.

IPv4 inside IPv6 has none: ip6tnl0 drops it unless its mode is changed.
"""

MODULES = {"tunl0": "ipip", "ip6tnl0": "ip6_tunnel", "sit0": "sit"}


@dataclass(frozen=True, slots=True)
class Setting:
    """A kernel setting of one interface, or of `all`. Its value is its text."""

    interface: str
    name: str

    def __str__(self) -> str:
        return f"net.ipv4.conf.{self.interface}.{self.name}"


@dataclass(frozen=True, slots=True)
class LinkState:
    """Whether an interface is UP or DOWN."""

    interface: str

    def __str__(self) -> str:
        return self.interface


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether an address is PRESENT on an interface or ABSENT."""

    interface: str
    address: InterfaceAddress

    def __str__(self) -> str:
        return f"{self.address} on {self.interface}"


Item: TypeAlias = Setting | LinkState | Presence
Values: TypeAlias = Mapping[Item, str]
"""Values of items; one whose interface does not exist is not in it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One item to be brought to one value. `was` is for people to read."""

    item: Item
    value: str
    was: str

    @property
    def difference(self) -> str:
        return f"{self.item} is {self.was}, wanted {self.value}"

    def __str__(self) -> str:
        return f"{self.item}: {self.was} to {self.value}"


def wanted(plan: RealServerPlan) -> dict[Item, str]:
    """What the plan asks of the host, in the order of the way in.

    HostError for a tunnel that a real server cannot take yet.
    """
    addresses = [place for vip in plan.virtual_addresses if (place := _place(vip))]
    interfaces = dict.fromkeys(place.interface for place in addresses)
    items: dict[Item, str] = {}
    if any(place.address.version == 4 for place in addresses):
        for name, value in ARP_SETTINGS.items():
            items |= {Setting("all", name): value, Setting("lo", name): value}
    items |= {
        Setting(place.interface, "rp_filter"): LOOSE
        for place in addresses
        if place.address.version == 4 and place.interface in MODULES
    }
    items |= {LinkState(interface): UP for interface in interfaces}
    return items | dict.fromkeys(addresses, PRESENT)


def items_to_read(plan: RealServerPlan | None, found: Values) -> frozenset[Item]:
    """Everything `steps` must know the present value of."""
    items = {*found, *(wanted(plan) if plan else ())}
    return frozenset(items | {sibling for item in items for sibling in _siblings(item)})


def steps(plan: RealServerPlan | None, found: Values, facts: Values) -> tuple[Step, ...]:
    """From the facts to the plan: first undo what is no longer wanted, then set what is.

    Without a plan: everything back to what was `found`. No steps: nothing differs.
    """
    target = wanted(plan) if plan else {}
    back = sorted((item for item in found if item not in target), key=_rank, reverse=True)
    undo = (Step(item, found[item], facts[item]) for item in back if _astray(item, found, facts))
    return (*undo, *_way_in(target, facts))


def remember(plan: RealServerPlan, found: Values, facts: Values) -> Values:
    """What was found, with what the plan touches for the first time. Written before any step."""
    new = {item: facts[item] for item in wanted(plan) if item in facts and item not in found}
    return {**found, **new}


def forget(plan: RealServerPlan, found: Values) -> Values:
    """What was found, without what the plan no longer touches. Written after the last step."""
    target = wanted(plan)
    return {item: value for item, value in found.items() if item in target}


def _way_in(target: Values, facts: Values) -> Iterator[Step]:
    for item, value in target.items():
        if item in facts:
            if _effective(item, facts) != value:
                yield Step(item, value, _shown(item, facts))
        elif isinstance(item, LinkState):  # says it for all that would stand on the interface
            yield Step(item, value, MISSING)


def _astray(item: Item, found: Values, facts: Values) -> bool:
    return item in facts and facts[item] != found[item]


def _effective(item: Item, facts: Values) -> str:
    """The value the kernel acts by: of rp_filter the larger of `all` and the interface's own."""
    siblings = [int(facts[sibling]) for sibling in _siblings(item)]
    return str(max(int(facts[item]), *siblings)) if siblings else facts[item]


def _shown(item: Item, facts: Values) -> str:
    return ", ".join([facts[item], *(f"{sibling} {facts[sibling]}" for sibling in _siblings(item))])


def _siblings(item: Item) -> tuple[Item, ...]:
    match item:
        case Setting(_, "rp_filter"):
            return (Setting("all", "rp_filter"),)
        case Setting() | LinkState() | Presence():
            return ()
        case _:
            assert_never(item)


def _place(vip: LoopbackAddress) -> Presence | None:
    """Where a VIP stands on this machine; None where the director rewrites packets (NAT)."""
    host = ip_interface(vip.address)
    match vip.forwarding:
        case Forwarding.DR:
            return Presence("lo", host)
        case Forwarding.TUN:
            return Presence(_tunnel(vip), host)
        case Forwarding.NAT | Forwarding.LOCAL | Forwarding.BYPASS:
            return None
        case _:
            assert_never(vip.forwarding)


def _tunnel(vip: LoopbackAddress) -> str:
    if vip.tunnel.type is not TunnelType.IPIP:
        kind = vip.tunnel.type.name.lower()
        raise HostError(f"{vip.address}: a real server takes no {kind} tunnel yet, only ipip")
    inner, outer = Family.of(vip.address), Family.of(vip.server)
    if (inner, outer) not in TUNNELS:
        raise HostError(
            f"{vip.address}: the kernel's ip6tnl0 takes no IPv4 inside IPv6; "
            f"give the real server an IPv4 address instead of {vip.server}"
        )
    return TUNNELS[inner, outer]


def _rank(item: Item) -> int:
    match item:
        case Setting():
            return 0
        case LinkState():
            return 1
        case Presence():
            return 2
        case _:
            assert_never(item)
