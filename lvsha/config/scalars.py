"""The single values of a cluster file: names, numbers, durations, addresses.

Each is a function from what the YAML says to the value meant, raising `WrongValueError`, wrapped
as an annotated type together with its JSON Schema. Types are strict: text is no number, and true
is no 1. Durations are seconds as float.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv6Interface, ip_address, ip_interface
from typing import Annotated, Any, TypeAlias

from pydantic import PlainValidator, WithJsonSchema

from lvsha.config.wording import WrongValueError, show
from lvsha.core.types import Address, Family, InterfaceAddress

DAY = 86400.0
_ENDLESS = 1e12
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|s|m|h)")
_NAME = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9_.-]+")
_INTERFACE = re.compile(r"(?!\.{1,2}$)[^\s/:]{1,15}")
_LISTEN = re.compile(r"(?:\[(?P<v6>[^\]]+)\]|(?P<v4>[^:\[\]]+)):(?P<port>[0-9]{1,5})")
_SYSCTL = re.compile(r"[a-z0-9_]+")


def whole(low: int, high: int) -> Callable[[object], int]:
    """A parser of whole numbers from `low` to `high`."""

    def parse(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise WrongValueError(f"{show(value)} is not a whole number")
        if not low <= value <= high:
            raise WrongValueError(f"{value} is not between {low} and {high}")
        return value

    return parse


def seconds(value: object) -> float:
    """`800ms`, `2s`, `5m`, `1h`, or a number of seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise WrongValueError(
            f"{show(value)} is not a duration", "write 800ms, 2s, 5m, 1h or seconds"
        )
    number, unit = match.groups()
    return float(number) / 1000 if unit == "ms" else float(number) * _UNITS[unit]


def show_seconds(value: float) -> str:
    """A duration as a file would have it; `seconds` of it is the value again."""
    if 3600 <= value < _ENDLESS and value % 3600 == 0:
        return f"{value / 3600:.0f}h"
    if 0 < abs(value) < 1:
        return f"{_plain(value * 1000)}ms"
    return f"{_plain(value)}s"


def _plain(number: float) -> str:
    """Without exponent while a person would read it so."""
    if abs(number) >= _ENDLESS:
        return f"{number:g}"
    return f"{number:.6f}".rstrip("0").rstrip(".")


def duration(low: float, high: float) -> Callable[[object], float]:
    """A parser of durations from `low` to `high` seconds."""

    def parse(value: object) -> float:
        given = seconds(value)
        if not low <= given <= high:
            limits = f"{show_seconds(low)} and {show_seconds(high)}"
            raise WrongValueError(f"{show_seconds(given)} is not between {limits}")
        return given

    return parse


def whole_seconds(low: int, high: int) -> Callable[[object], int]:
    """A parser of durations without a fraction: the kernel counts these in seconds."""
    within = duration(low, high)

    def parse(value: object) -> int:
        given = within(value)
        if given % 1:
            raise WrongValueError(f"{show_seconds(given)} is not a whole number of seconds")
        return int(given)

    return parse


def name(value: object) -> str:
    if isinstance(value, bool | int | float):
        raise WrongValueError(f"{show(value)} is not a name", "put it in quotes")
    return _matching(value, _NAME, "a name", "a name is made of A-Z a-z 0-9 _ . -")


def interface(value: object) -> str:
    return _matching(value, _INTERFACE, "an interface name", None)


def sysctl(value: object) -> str:
    return _matching(value, _SYSCTL, "a sysctl of net.ipv4.vs", None)


def _matching(value: object, pattern: re.Pattern[str], what: str, hint: str | None) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise WrongValueError(f"{show(value)} is not {what}", hint)
    return value


def flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise WrongValueError(f"{show(value)} is not true or false")
    return value


def address(value: object) -> Address:
    """An IPv4 or IPv6 address without prefix or zone."""
    if isinstance(value, str) and "%" not in value:
        try:
            return ip_address(value)
        except ValueError:
            pass
    raise WrongValueError(f"{show(value)} is not an IP address", _address_hint(value))


def _address_hint(value: object) -> str | None:
    if isinstance(value, str) and "/" in value:
        return "leave the prefix length out here"
    if isinstance(value, str) and "%" in value:
        return "leave the zone out"
    return None


def interface_address(value: object) -> InterfaceAddress:
    """An address with its prefix length; without one it stands for itself: /32 or /128."""
    if isinstance(value, str) and re.fullmatch(r"[0-9a-fA-F:.]+(/[0-9]{1,3})?", value):
        try:
            return _carriable(ip_interface(value))
        except ValueError as error:
            if isinstance(error, WrongValueError):
                raise
    raise WrongValueError(f"{show(value)} is not an IP address with an optional prefix length")


def _carriable(given: IPv4Interface | IPv6Interface) -> InterfaceAddress:
    if given.is_multicast or given.is_unspecified or given.is_loopback:
        raise WrongValueError(f"{given.ip} is not an address that can move between machines")
    return given


def netmask(value: object) -> tuple[Family, int]:
    """Prefix length of `255.255.255.0` (IPv4) or of a number (IPv6)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return Family.IPV6, whole(1, 128)(value)
    try:
        bits = f"{int(IPv4Address(value)):032b}" if isinstance(value, str) else ""
    except ValueError:
        bits = ""
    if not re.fullmatch("1+0*", bits):
        hint = "write 255.255.255.0, or of IPv6 a prefix length"
        raise WrongValueError(f"{show(value)} is not a netmask", hint)
    return Family.IPV4, bits.count("1")


def listen(value: object) -> tuple[str, int]:
    """`host:port` or `[v6]:port`, the host an address."""
    match = _LISTEN.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        hint = "write 127.0.0.1:9817 or [::1]:9817"
        raise WrongValueError(f"{show(value)} is not an address and port", hint)
    port = whole(1, 65535)(int(match["port"]))
    return str(address(match["v6"] or match["v4"])), port


def sysctl_value(value: object) -> str:
    """The text to write: 1 and 0 for true and false."""
    match value:
        case bool():
            return "1" if value else "0"
        case int():
            return str(value)
        case str() if re.fullmatch(r"[\w .:-]{1,100}", value):
            return value
        case _:
            raise WrongValueError(
                f"{show(value)} is not true, false, a whole number or a short text"
            )


def _number(low: float, high: float) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": low, "maximum": high})


def _text(pattern: str | None = None, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **({"pattern": pattern} if pattern else {}), **more})


_DURATION_SCHEMA = WithJsonSchema(
    {
        "anyOf": [
            {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h)$"},
            {"type": "number", "minimum": 0},
        ]
    }
)

Name: TypeAlias = Annotated[str, PlainValidator(name), _text("^[A-Za-z0-9_.-]+$")]
InterfaceName: TypeAlias = Annotated[str, PlainValidator(interface), _text(r"^[^\s/:]{1,15}$")]
Flag: TypeAlias = Annotated[bool, PlainValidator(flag), WithJsonSchema({"type": "boolean"})]
IpAddress: TypeAlias = Annotated[Address, PlainValidator(address), _text("^[0-9A-Fa-f:.]+$")]
IpInterface: TypeAlias = Annotated[
    InterfaceAddress, PlainValidator(interface_address), _text("^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$")
]
Netmask: TypeAlias = Annotated[
    tuple[Family, int],
    PlainValidator(netmask),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "ipv4"},
                {"type": "integer", "minimum": 1, "maximum": 128},
            ]
        }
    ),
]
Listen: TypeAlias = Annotated[tuple[str, int], PlainValidator(listen), _text("^.+:[0-9]+$")]
SysctlName: TypeAlias = Annotated[str, PlainValidator(sysctl), _text("^[a-z0-9_]+$")]
SysctlValue: TypeAlias = Annotated[
    str, PlainValidator(sysctl_value), WithJsonSchema({"type": ["boolean", "integer", "string"]})
]

VirtualRouterId: TypeAlias = Annotated[int, PlainValidator(whole(1, 255)), _number(1, 255)]
Priority: TypeAlias = Annotated[int, PlainValidator(whole(1, 255)), _number(1, 255)]
Port: TypeAlias = Annotated[int, PlainValidator(whole(0, 65535)), _number(0, 65535)]
RealPort: TypeAlias = Annotated[int, PlainValidator(whole(1, 65535)), _number(1, 65535)]
Weight: TypeAlias = Annotated[int, PlainValidator(whole(0, 65535)), _number(0, 65535)]
Threshold: TypeAlias = Annotated[int, PlainValidator(whole(0, 2**31 - 1)), _number(0, 2**31 - 1)]
Mark: TypeAlias = Annotated[int, PlainValidator(whole(1, 2**32 - 1)), _number(1, 2**32 - 1)]
WeightSum: TypeAlias = Annotated[int, PlainValidator(whole(1, 2**31 - 1)), _number(1, 2**31 - 1)]
Hysteresis: TypeAlias = Annotated[int, PlainValidator(whole(0, 2**31 - 1)), _number(0, 2**31 - 1)]
Percent: TypeAlias = Annotated[int, PlainValidator(whole(0, 100)), _number(0, 100)]
Jitter: TypeAlias = Annotated[int, PlainValidator(whole(0, 50)), _number(0, 50)]
Transitions: TypeAlias = Annotated[int, PlainValidator(whole(2, 100)), _number(2, 100)]
Results: TypeAlias = Annotated[int, PlainValidator(whole(1, 1000)), _number(1, 1000)]

Duration: TypeAlias = Annotated[float, PlainValidator(seconds), _DURATION_SCHEMA]
CheckInterval: TypeAlias = Annotated[float, PlainValidator(duration(0.01, DAY)), _DURATION_SCHEMA]
CheckTimeout: TypeAlias = Annotated[float, PlainValidator(duration(0.001, DAY)), _DURATION_SCHEMA]
DampingTime: TypeAlias = Annotated[float, PlainValidator(duration(1, DAY)), _DURATION_SCHEMA]
Pace: TypeAlias = Annotated[float, PlainValidator(duration(0, 1)), _DURATION_SCHEMA]
UpToADay: TypeAlias = Annotated[float, PlainValidator(duration(0, DAY)), _DURATION_SCHEMA]
ResyncInterval: TypeAlias = Annotated[float, PlainValidator(duration(0.1, 3600)), _DURATION_SCHEMA]
KernelTime: TypeAlias = Annotated[
    int, PlainValidator(whole_seconds(1, 31 * 86400)), _DURATION_SCHEMA
]
"""Seconds up to 31 days, the longest ipvsadm takes."""
