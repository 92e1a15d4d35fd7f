"""The order of listings, ipvsadm's faults included, and the lines of a restore."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from lvsha.core.ipvsadm.order import sorted_destinations, sorted_services
from lvsha.core.ipvsadm.stream import restore_lines
from lvsha.core.types import (
    Destination,
    DestinationKey,
    DestinationStatus,
    Family,
    FwmarkKey,
    Protocol,
    Service,
    ServiceKey,
    ServiceStatus,
)


def sorted_addresses(*addresses: str) -> list[str]:
    statuses = [
        DestinationStatus(Destination(DestinationKey(ip_address(each), 80))) for each in addresses
    ]
    return [str(each.destination.key.address) for each in sorted_destinations(statuses)]


def test_near_addresses_ascend() -> None:
    """By address, and by port within one."""
    assert sorted_addresses("10.0.0.9", "10.0.0.10", "9.0.0.1") == [
        "9.0.0.1",
        "10.0.0.9",
        "10.0.0.10",
    ]
    ports = [
        DestinationStatus(Destination(DestinationKey(ip_address("10.0.0.1"), port)))
        for port in (8080, 80, 443)
    ]
    found = [each.destination.key.port for each in sorted_destinations(ports)]
    assert found == [80, 443, 8080]


def test_far_addresses_stand_in_the_order_of_a_32_bit_difference() -> None:
    """Seen of the real program: 192.168.0.7 is before 10.0.0.5, and so on round the circle."""
    told = ("1.168.0.7", "128.168.0.7", "192.168.0.7", "200.0.0.7", "10.0.0.5")
    assert sorted_addresses(*told) == [
        "192.168.0.7",
        "200.0.0.7",
        "1.168.0.7",
        "10.0.0.5",
        "128.168.0.7",
    ]


def test_mixed_families_compare_by_the_first_32_bits() -> None:
    """Seen of the real program: an IPv4 server stands between two IPv6 ones."""
    assert sorted_addresses("2001:db8::7", "10.0.0.1", "::1") == ["::1", "10.0.0.1", "2001:db8::7"]


def test_services_go_by_mark_family_protocol_address_and_port() -> None:
    """Those without a mark first."""
    keys = [
        FwmarkKey(Family.IPV4, 9),
        FwmarkKey(Family.IPV6, 2),
        FwmarkKey(Family.IPV4, 2),
        ServiceKey(Protocol.TCP, ip_address("2001:db8::1"), 80),
        ServiceKey(Protocol.UDP, ip_address("10.0.0.1"), 53),
        ServiceKey(Protocol.TCP, ip_address("10.0.0.2"), 80),
        ServiceKey(Protocol.TCP, ip_address("10.0.0.1"), 443),
        ServiceKey(Protocol.TCP, ip_address("10.0.0.1"), 80),
    ]
    found = sorted_services([ServiceStatus(Service(key)) for key in keys])
    assert [each.service.key for each in found] == keys[::-1]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("\n \n\t\n", []),
        ("-A -t x\n", [["-A", "-t", "x"]]),
        ("ipvsadm -A ipvsadm\nipvsadm\n", [["-A"]]),
        (" -A\t-t\rx \r\n-C", [["-A", "-t", "x"], ["-C"]]),
        ("-A\n-C ", [["-A"], ["-C"]]),
        ("-A\n-C  ", [["-A"]]),
        ("-A #b\n", [["-A", "#b"]]),
        ("-A \v\n", [["-A", "\v"]]),
    ],
)
def test_a_restore_is_split_at_blanks_and_newlines(text: str, lines: list[list[str]]) -> None:
    """No quotes, no comments; a last line that ends in two blanks is lost, as in ipvsadm."""
    assert list(restore_lines(text)) == lines
