"""One service of the file that stands for several: address ranges and lists of ports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import PlainValidator, WithJsonSchema

from lvsha.config.scalars import address, whole
from lvsha.config.wording import WrongValueError, show
from lvsha.core.types import Address

MOST = 1024
"""Addresses of one range."""

_port = whole(0, 65535)
_real_port = whole(1, 65535)


def addresses(value: object) -> tuple[Address, ...]:
    """`192.0.2.10`, `192.0.2.10-20`, or `2001:db8::10-2001:db8::20`, both ends included."""
    if not isinstance(value, str) or "-" not in value:
        return (address(value),)
    first_text, _, last_text = value.partition("-")
    first = address(first_text)
    if first.version == 4 and last_text.isascii() and last_text.isdigit():
        last_text = f"{first_text.rpartition('.')[0]}.{last_text}"
    last = address(last_text)
    if first.version != last.version or int(last) <= int(first):
        raise WrongValueError(f"{show(value)} is not a range: {last} is not behind {first}")
    count = int(last) - int(first) + 1
    if count > MOST:
        raise WrongValueError(f"{show(value)} is {count} addresses, more than {MOST}")
    kind = type(first)
    return tuple(kind(number) for number in range(int(first), int(last) + 1))


def ports(value: object) -> tuple[int, ...]:
    """A port, or a list of them."""
    if not isinstance(value, list):
        return (_port(value),)
    if not value:
        raise WrongValueError("an empty list is no port")
    found = [_real_port(each) for each in value]
    for each in found:
        if found.count(each) > 1:
            raise WrongValueError(f"{each} is there twice")
    return tuple(found)


VirtualAddresses: TypeAlias = Annotated[
    tuple[Address, ...],
    PlainValidator(addresses),
    WithJsonSchema({"type": "string", "pattern": "^[0-9A-Fa-f:.]+(-[0-9A-Fa-f:.]+)?$"}),
]
VirtualPorts: TypeAlias = Annotated[
    tuple[int, ...],
    PlainValidator(ports),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0, "maximum": 65535},
                {
                    "type": "array",
                    "items": {"type": "integer", "minimum": 1, "maximum": 65535},
                    "minItems": 1,
                    "uniqueItems": True,
                },
            ]
        }
    ),
]


@dataclass(frozen=True, slots=True)
class Single:
    """One of the services meant: its name, and where it is; None where the file does not say."""

    name: str
    address: Address | None
    port: int | None


def singles(
    name: str, addresses: tuple[Address, ...] | None, ports: tuple[int, ...] | None
) -> Iterator[Single]:
    """All that are meant. What there are several of is added to the name: `http-192.0.2.10-443`.

    An IPv6 address is written with - for : there, since names have none.
    """
    for each in addresses or (None,):
        for port in ports or (None,):
            words = [name]
            if addresses is not None and len(addresses) > 1:
                words.append(str(each).replace(":", "-"))
            if ports is not None and len(ports) > 1:
                words.append(str(port))
            yield Single("-".join(words), each, port)
