"""Single values: durations, addresses, netmasks, and what they refuse."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsha.config import scalars
from lvsha.config.wording import WrongValueError, show
from lvsha.core.types import Family


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("800ms", 0.8),
        ("2s", 2.0),
        ("5m", 300.0),
        ("1h", 3600.0),
        ("40.95s", 40.95),
        (2, 2.0),
        (0.5, 0.5),
        ("0s", 0.0),
    ],
)
def test_a_duration_is_text_with_a_unit_or_seconds(text: object, seconds: float) -> None:
    assert scalars.seconds(text) == seconds


@pytest.mark.parametrize("value", ["2", "2 s", "s", "-2s", "2S", "2d", "1e3s", "", True, None, []])
def test_anything_else_is_no_duration(value: object) -> None:
    with pytest.raises(WrongValueError, match="is not a duration"):
        scalars.seconds(value)


@given(st.integers(min_value=0, max_value=10**9))
def test_milliseconds_shown_are_the_same_when_read_again(milliseconds: int) -> None:
    value = milliseconds / 1000
    assert scalars.seconds(scalars.show_seconds(value)) == value


@given(st.integers(min_value=0, max_value=10**8), st.sampled_from(["ms", "s", "m", "h"]))
def test_a_duration_read_can_be_shown_and_read_again(number: int, unit: str) -> None:
    value = scalars.seconds(f"{number}{unit}")
    assert scalars.seconds(scalars.show_seconds(value)) == pytest.approx(value)


def test_an_address_without_prefix_stands_for_itself() -> None:
    assert scalars.interface_address("192.0.2.1") == ip_interface("192.0.2.1/32")
    assert scalars.interface_address("2001:db8::1") == ip_interface("2001:db8::1/128")
    assert scalars.interface_address("192.0.2.1/24") == ip_interface("192.0.2.1/24")


@pytest.mark.parametrize("value", ["10.0.0.1/255.255.255.0", "10.0.0.1/", "10.0.0", 1, None])
def test_other_forms_are_no_interface_address(value: object) -> None:
    with pytest.raises(WrongValueError):
        scalars.interface_address(value)


@pytest.mark.parametrize(
    "value", ["224.0.0.9", "fe80::9", "127.0.0.1", "255.255.255.255", "::ffff:1.2.3.4"]
)
def test_an_address_only_the_kernel_refuses_is_an_address(value: str) -> None:
    assert scalars.address(value) == ip_address(value)


@pytest.mark.parametrize("value", ["010.0.0.1", "10.0.0.1 ", "1", "", "localhost", 1, True, None])
def test_what_is_no_address_is_refused(value: object) -> None:
    with pytest.raises(WrongValueError, match="is not an IP address"):
        scalars.address(value)


def test_a_netmask_is_dotted_or_an_ipv6_prefix_length() -> None:
    assert scalars.netmask("255.255.255.0") == (Family.IPV4, 24)
    assert scalars.netmask("255.255.255.255") == (Family.IPV4, 32)
    assert scalars.netmask(64) == (Family.IPV6, 64)


@pytest.mark.parametrize("value", ["0.0.0.0", "0.0.0.255", "24", 0, 129, True])
def test_what_groups_nobody_is_no_netmask(value: object) -> None:
    with pytest.raises(WrongValueError):
        scalars.netmask(value)


def test_listen_takes_both_families() -> None:
    assert scalars.listen("127.0.0.1:9817") == ("127.0.0.1", 9817)
    assert scalars.listen("[::1]:9817") == ("::1", 9817)


@pytest.mark.parametrize("value", ["::1:9817", "127.0.0.1", ":9817", "127.0.0.1:0", "[::1]9817"])
def test_listen_refuses_what_is_ambiguous(value: str) -> None:
    with pytest.raises(WrongValueError):
        scalars.listen(value)


def test_sysctl_values_are_written_as_text() -> None:
    assert scalars.sysctl_value(True) == "1"
    assert scalars.sysctl_value(False) == "0"
    assert scalars.sysctl_value(3) == "3"
    assert scalars.sysctl_value("3 50") == "3 50"


@pytest.mark.parametrize("value", ["", "1\n2", 1.5, None, {}])
def test_other_sysctl_values_are_refused(value: object) -> None:
    with pytest.raises(WrongValueError):
        scalars.sysctl_value(value)


def test_a_long_or_odd_value_is_shown_short_and_on_one_line() -> None:
    assert show("x" * 1000) == f"'{'x' * 60}…'"
    assert "\n" not in show("a\nb")
    assert show({"a": 1}) == "a mapping"
    assert show([1]) == "a list"
    assert show(None) == "an empty value"
