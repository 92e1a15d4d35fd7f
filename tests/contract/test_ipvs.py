"""Services and destinations: what is true of the kernel is true of its twin."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address

import pytest

from lvsha.core.commands import (
    AddDestination,
    AddService,
    Command,
    DeleteDestination,
    DeleteService,
    SetDestination,
    SetService,
    Zero,
)
from lvsha.core.types import (
    Destination,
    DestinationKey,
    Family,
    Forwarding,
    FwmarkKey,
    Key,
    Protocol,
    Service,
    ServiceFlags,
    ServiceKey,
    Tunnel,
    TunnelFlags,
    TunnelType,
)
from lvsha.errors import KernelError
from lvsha.kernel import verdicts
from lvsha.kernel.ports import Ipvs

WEB = ServiceKey(Protocol.TCP, ip_address("192.0.2.1"), 80)
WEB6 = ServiceKey(Protocol.TCP, ip_address("2001:db8::1"), 80)
SCHEDULERS = sorted(verdicts.SCHEDULERS)


def service(key: Key = WEB, **settings: object) -> Service:
    bits = 32 if key.family is Family.IPV4 else 128
    return replace(Service(key, netmask=bits), **settings)


def destination(address: str = "10.0.0.1", port: int = 80, **settings: object) -> Destination:
    return replace(Destination(DestinationKey(ip_address(address), port)), **settings)


def errnos(ipvs: Ipvs, *commands: Command) -> list[int]:
    """Errno of every command, 0 where it was carried out."""
    return [sum(refusal.errno for refusal in ipvs.apply((command,))) for command in commands]


def destinations(ipvs: Ipvs, key: Key = WEB) -> list[Destination]:
    return [status.destination for status in ipvs.destinations(key)]


def services(ipvs: Ipvs) -> list[Service]:
    return [status.service for status in ipvs.services()]


def do(ipvs: Ipvs, commands: Iterable[Command]) -> None:
    assert ipvs.apply(tuple(commands)) == ()


@pytest.mark.parametrize("protocol", Protocol)
@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_a_service_reads_back_as_it_was_added(ipvs: Ipvs, protocol: Protocol, address: str) -> None:
    key = ServiceKey(protocol, ip_address(address), 443)
    wanted = service(key, scheduler="wrr")
    do(ipvs, [AddService(wanted)])
    assert services(ipvs) == [wanted]
    assert ipvs.service(key).service == wanted
    assert ipvs.table()[key].service == wanted


def test_a_firewall_mark_of_each_family_is_a_service_of_its_own(ipvs: Ipvs) -> None:
    wanted = [service(FwmarkKey(family, 7)) for family in Family]
    do(ipvs, map(AddService, wanted))
    assert set(services(ipvs)) == set(wanted)


def test_firewall_mark_zero_is_none_but_the_nowhere_service(ipvs: Ipvs) -> None:
    do(ipvs, [AddService(service(FwmarkKey(Family.IPV4, 0)))])
    nowhere = ServiceKey(Protocol.TCP, ip_address("0.0.0.0"), 0)
    assert [found.key for found in services(ipvs)] == [nowhere]
    assert errnos(ipvs, AddService(service(nowhere))) == [errno.EEXIST]


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_scheduler_can_be_chosen_and_changed(ipvs: Ipvs, scheduler: str) -> None:
    do(ipvs, [AddService(service(scheduler=scheduler)), AddDestination(WEB, destination())])
    do(ipvs, [SetService(service(scheduler="wlc")), SetService(service(scheduler=scheduler))])
    assert ipvs.service(WEB).service.scheduler == scheduler
    assert destinations(ipvs) == [destination()]


def test_flags_netmask_timeout_and_engine_are_kept_and_replaced(ipvs: Ipvs) -> None:
    flags = ServiceFlags.PERSISTENT | ServiceFlags.SCHED1 | ServiceFlags.SCHED2
    sticky = service(scheduler="sh", flags=flags, timeout=300, netmask=24, persistence_engine="sip")
    do(ipvs, [AddService(sticky)])
    assert services(ipvs) == [sticky]
    plain = service(flags=ServiceFlags.ONE_PACKET, netmask=0)
    do(ipvs, [SetService(plain)])
    assert services(ipvs) == [plain]


def test_an_ipv6_service_has_a_prefix_length_of_1_to_128(ipvs: Ipvs) -> None:
    asked = [AddService(service(WEB6, netmask=bits)) for bits in (0, 129, 1)]
    assert errnos(ipvs, *asked) == [errno.EINVAL, errno.EINVAL, 0]
    mark = FwmarkKey(Family.IPV6, 1)
    assert errnos(ipvs, AddService(service(mark, netmask=129))) == [errno.EINVAL]
    do(ipvs, [AddService(service(mark, netmask=64))])
    assert ipvs.service(mark).service.netmask == 64


@pytest.mark.parametrize("mask", ["255.0.255.0", "0.0.0.255", "128.0.0.1"])
def test_a_netmask_with_holes_reads_back(ipvs: Ipvs, mask: str) -> None:
    wanted = service(flags=ServiceFlags.PERSISTENT, timeout=1, netmask=-int(ip_address(mask)))
    do(ipvs, [AddService(wanted)])
    assert services(ipvs) == [wanted]


def test_a_persistence_time_without_persistence_is_nothing(ipvs: Ipvs) -> None:
    do(ipvs, [AddService(service(timeout=300))])
    assert ipvs.service(WEB).service.timeout == 0


def test_the_kernel_itself_lets_a_service_without_persistence_have_every_port(
    ipvs: Ipvs,
) -> None:
    wanted = service(replace(WEB, port=0))
    do(ipvs, [AddService(wanted)])
    assert services(ipvs) == [wanted]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"scheduler": "nope"}, errno.ENOENT),
        ({"scheduler": ""}, errno.ENOENT),
        ({"scheduler": "s" * 15}, errno.ENOENT),
        ({"scheduler": "s" * 16}, errno.EINVAL),
        ({"persistence_engine": "nope"}, errno.ENOENT),
        ({"persistence_engine": "e" * 16}, errno.ENOENT),
        ({"persistence_engine": "e" * 17}, errno.EINVAL),
        ({"netmask": 33}, errno.ERANGE),
        ({"timeout": 2**32, "flags": ServiceFlags.PERSISTENT}, errno.ERANGE),
    ],
)
def test_a_service_the_kernel_cannot_have_is_refused_and_changes_nothing(
    ipvs: Ipvs, settings: dict[str, object], code: int
) -> None:
    wrong = service(**settings)
    assert errnos(ipvs, AddService(wrong)) == [code]
    assert services(ipvs) == []
    do(ipvs, [AddService(service())])
    assert errnos(ipvs, SetService(wrong)) == [code]
    assert services(ipvs) == [service()]


def test_a_missing_service_is_found_missing_before_its_scheduler_but_after_its_name(
    ipvs: Ipvs,
) -> None:
    asked = [SetService(service(scheduler=name)) for name in ("rr", "nope", "s" * 16)]
    assert errnos(ipvs, *asked) == [errno.ESRCH, errno.ESRCH, errno.EINVAL]


def test_what_needs_a_service_says_esrch_without_one(ipvs: Ipvs) -> None:
    asked = [
        DeleteService(WEB),
        AddDestination(WEB, destination()),
        SetDestination(WEB, destination()),
        DeleteDestination(WEB, destination().key),
        Zero(WEB),
    ]
    assert errnos(ipvs, *asked) == [errno.ESRCH] * 5


@pytest.mark.parametrize("read", ["service", "destinations"])
def test_reading_a_missing_service_says_esrch(ipvs: Ipvs, read: str) -> None:
    with pytest.raises(KernelError, match=r"^service TCP 192\.0\.2\.1:80: No such") as caught:
        getattr(ipvs, read)(WEB)
    assert caught.value.errno == errno.ESRCH


def test_a_service_is_there_once_and_gone_once(ipvs: Ipvs) -> None:
    asked = [AddService(service()), AddService(service(scheduler="rr"))]
    assert errnos(ipvs, *asked) == [0, errno.EEXIST]
    assert errnos(ipvs, DeleteService(WEB), DeleteService(WEB)) == [0, errno.ESRCH]
    assert ipvs.table() == {}


@pytest.mark.parametrize(
    "settings",
    [
        {"forwarding": Forwarding.NAT},
        {"forwarding": Forwarding.LOCAL},
        {"forwarding": Forwarding.BYPASS},
        {"weight": 0},
        {"weight": 2**31 - 1},
        {"upper_threshold": 2**32 - 1, "lower_threshold": 2**32 - 1},
        {"forwarding": Forwarding.TUN, "tunnel": Tunnel(TunnelType.GUE, 6080, TunnelFlags.CSUM)},
        {"forwarding": Forwarding.TUN, "tunnel": Tunnel(TunnelType.GRE, 0, TunnelFlags.CSUM)},
        {"tunnel": Tunnel(TunnelType.GUE, 6080, TunnelFlags.REMCSUM)},
    ],
)
@pytest.mark.parametrize(("key", "address"), [(WEB, "10.0.0.1"), (WEB6, "2001:db8::2")])
def test_a_destination_reads_back_as_it_was_added_and_as_it_was_set(
    ipvs: Ipvs, key: Key, address: str, settings: dict[str, object]
) -> None:
    wanted = destination(address, 8080, **settings)
    do(ipvs, [AddService(service(key)), AddDestination(key, wanted)])
    assert destinations(ipvs, key) == [wanted]
    plain = destination(address, 8080)
    do(ipvs, [SetDestination(key, plain)])
    assert destinations(ipvs, key) == [plain]
    do(ipvs, [SetDestination(key, wanted)])
    assert ipvs.table()[key].destinations == {wanted.key: wanted}


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"weight": 2**31}, errno.ERANGE),
        ({"weight": 2**32}, errno.ERANGE),
        ({"weight": -1}, errno.ERANGE),
        ({"lower_threshold": 1}, errno.ERANGE),
        ({"upper_threshold": 5, "lower_threshold": 6}, errno.ERANGE),
        ({"tunnel": Tunnel(TunnelType.GUE, 0)}, errno.EINVAL),
    ],
)
def test_numbers_a_destination_cannot_have_are_refused_and_change_nothing(
    ipvs: Ipvs, settings: dict[str, object], code: int
) -> None:
    do(ipvs, [AddService(service())])
    wrong = destination(**settings)
    assert errnos(ipvs, SetDestination(WEB, wrong), AddDestination(WEB, wrong)) == [code, code]
    do(ipvs, [AddDestination(WEB, destination())])
    assert errnos(ipvs, AddDestination(WEB, wrong), SetDestination(WEB, wrong)) == [code, code]
    assert destinations(ipvs) == [destination()]


IPV4_REFUSED = ["224.0.0.9", "239.1.1.1", "255.255.255.255", "0.0.0.0", "127.255.255.255"]
IPV6_REFUSED = ["fe80::9", "ff02::1", "::", "::ffff:10.0.0.1"]


@pytest.mark.parametrize("address", IPV4_REFUSED + IPV6_REFUSED)
def test_an_address_that_is_not_unicast_is_refused(ipvs: Ipvs, address: str) -> None:
    key = WEB6 if ":" in address else WEB
    do(ipvs, [AddService(service(key))])
    assert errnos(ipvs, AddDestination(key, destination(address))) == [errno.EINVAL]
    assert errnos(ipvs, SetDestination(key, destination(address))) == [errno.ENOENT]


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.255", "0.1.2.3", "240.0.0.1", "::1", "fc00::1", "fec0::1", "::10.0.0.1"],
)
def test_a_unicast_address_needs_no_route(ipvs: Ipvs, address: str) -> None:
    key = WEB6 if ":" in address else WEB
    do(ipvs, [AddService(service(key)), AddDestination(key, destination(address))])


@pytest.mark.parametrize(("key", "address"), [(WEB, "2001:db8::2"), (WEB6, "10.0.0.1")])
def test_the_other_family_is_reached_through_a_tunnel_only(
    ipvs: Ipvs, key: Key, address: str
) -> None:
    do(ipvs, [AddService(service(key))])
    for forwarding in (Forwarding.DR, Forwarding.NAT):
        other = destination(address, forwarding=forwarding)
        assert errnos(ipvs, AddDestination(key, other)) == [errno.EINVAL]
    tunnelled = destination(address, forwarding=Forwarding.TUN)
    do(ipvs, [AddDestination(key, tunnelled)])
    assert destinations(ipvs, key) == [tunnelled]
    turned = replace(tunnelled, forwarding=Forwarding.NAT)
    assert errnos(ipvs, SetDestination(key, turned)) == [errno.EINVAL]
    do(ipvs, [DeleteDestination(key, tunnelled.key)])
    assert destinations(ipvs, key) == []


def test_a_destination_is_there_once_and_gone_once(ipvs: Ipvs) -> None:
    do(ipvs, [AddService(service())])
    here, other = destination(), destination(weight=5)
    gone = DeleteDestination(WEB, here.key)
    asked = [SetDestination(WEB, here), gone, AddDestination(WEB, here), AddDestination(WEB, other)]
    assert errnos(ipvs, *asked) == [errno.ENOENT, errno.ENOENT, 0, errno.EEXIST]
    assert errnos(ipvs, gone, gone) == [0, errno.ENOENT]
    assert destinations(ipvs) == []


def test_the_same_address_with_another_port_is_another_destination(ipvs: Ipvs) -> None:
    both = [destination(port=80), destination(port=8080, weight=2)]
    do(ipvs, [AddService(service()), *(AddDestination(WEB, each) for each in both)])
    assert set(destinations(ipvs)) == set(both)


def test_the_newest_destination_comes_first_and_an_edited_one_stays_where_it_is(
    ipvs: Ipvs,
) -> None:
    first, second, third = (destination(f"10.0.0.{n}") for n in (1, 2, 3))
    do(ipvs, [AddService(service()), *(AddDestination(WEB, d) for d in (first, second, third))])
    assert destinations(ipvs) == [third, second, first]
    edited = replace(second, weight=0)
    do(ipvs, [SetDestination(WEB, edited)])
    assert destinations(ipvs) == [third, edited, first]
    do(ipvs, [DeleteDestination(WEB, second.key), AddDestination(WEB, second)])
    assert destinations(ipvs) == [second, third, first]
    assert list(ipvs.table()[WEB].destinations.values()) == [second, third, first]


def test_a_service_that_comes_back_comes_back_empty(ipvs: Ipvs) -> None:
    do(ipvs, [AddService(service()), AddDestination(WEB, destination())])
    do(ipvs, [DeleteService(WEB), AddService(service())])
    assert destinations(ipvs) == []
    do(ipvs, [AddDestination(WEB, destination())])


def test_reading_goes_on_past_a_service_that_is_gone(ipvs: Ipvs) -> None:
    do(ipvs, [AddService(service()), AddService(service(WEB6)), AddDestination(WEB, destination())])
    gone = replace(WEB, port=81)
    found = dict(ipvs.read([WEB6, gone, WEB]))
    assert found[WEB6] == ()
    assert found[gone] is None
    assert found[WEB] == ipvs.destinations(WEB)


def test_a_refused_command_does_not_stop_those_behind_it(ipvs: Ipvs) -> None:
    wrong = AddDestination(WEB, destination("224.0.0.9"))
    worse = AddDestination(WEB, destination(weight=-1))
    commands: list[Command] = [AddDestination(WEB, destination()), AddService(service())]
    commands += [wrong, AddDestination(WEB, destination()), worse, DeleteService(WEB6)]
    refusals = ipvs.apply(commands)
    assert [(refusal.command, refusal.errno) for refusal in refusals] == [
        (commands[0], errno.ESRCH),
        (wrong, errno.EINVAL),
        (worse, errno.ERANGE),
        (commands[5], errno.ESRCH),
    ]
    assert destinations(ipvs) == [destination()]


def test_ten_thousand_refusals_arrive_one_by_one(ipvs: Ipvs) -> None:
    commands = [AddDestination(WEB, destination(port=port)) for port in range(10_000)]
    refusals = ipvs.apply(commands)
    assert [refusal.command for refusal in refusals] == commands
    assert {refusal.errno for refusal in refusals} == {errno.ESRCH}


def test_a_table_longer_than_one_read_comes_back_whole(ipvs: Ipvs) -> None:
    keys = [replace(WEB, port=port) for port in range(1, 301)]
    many = [destination(port=port, weight=port) for port in range(1, 1001)]
    do(ipvs, [AddService(service(key)) for key in keys])
    do(ipvs, [AddDestination(WEB, each) for each in many])
    table = ipvs.table()
    assert set(table) == set(keys)
    assert list(table[WEB].destinations.values()) == many[::-1]


def test_nothing_asked_is_nothing_refused(ipvs: Ipvs) -> None:
    assert ipvs.apply(()) == ()
    assert ipvs.table() == {}
    assert ipvs.services() == ()
