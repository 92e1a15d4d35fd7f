"""Frozen values ↔ JSON-ready data, by their type annotations.

Law of this file: no list of types to keep in step. A dataclass becomes an object of its fields,
a union of dataclasses is told apart by a "type" key, addresses and enums become their text and
number, bytes their hexadecimal digits. Encoders and decoders are built once per type and kept.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import Any, Union, get_args, get_origin, get_type_hints

Encoder = Callable[[Any], Any]
Decoder = Callable[[Any], Any]

_BY_TEXT: dict[Any, Decoder] = {
    IPv4Address: ip_address,
    IPv6Address: ip_address,
    IPv4Interface: ip_interface,
    IPv6Interface: ip_interface,
    IPv4Network: ip_network,
    IPv6Network: ip_network,
    bytes: bytes.fromhex,
}


def encode(value: object) -> Any:
    """JSON-ready form of a value; a dataclass carries its name under "type"."""
    kind: Any = type(value)
    return _encoder(kind)(value)


def decode(annotation: Any, data: object) -> Any:
    """The value of type `annotation` that `encode` made `data` from.

    Raises KeyError, TypeError or ValueError on anything else.
    """
    return _decoder(annotation)(data)


@cache
def _encoder(kind: Any) -> Encoder:
    if isinstance(kind, type) and is_dataclass(kind):
        name, names = kind.__name__, tuple(field.name for field in fields(kind))
        return lambda value: {"type": name} | {each: encode(getattr(value, each)) for each in names}
    for base, encoder in _BY_BASE:
        if issubclass(kind, base):
            return encoder
    return lambda value: value


_BY_BASE: tuple[tuple[type, Encoder], ...] = (
    (Enum, lambda value: value.value),
    (IPv4Address, str),
    (IPv6Address, str),
    (IPv4Network, str),
    (IPv6Network, str),
    (bytes, bytes.hex),
    (tuple, lambda value: [encode(item) for item in value]),
    (frozenset, lambda value: [encode(item) for item in value]),
    (Mapping, lambda value: {key: encode(item) for key, item in value.items()}),
)


@cache
def _decoder(annotation: Any) -> Decoder:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _union(args)
    if origin is tuple:
        return _sequence(args)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(args)
    return _single(annotation)


def _single(annotation: Any) -> Decoder:
    if annotation in _BY_TEXT:
        return _BY_TEXT[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return annotation
    if is_dataclass(annotation):
        return _dataclass(annotation)
    return lambda data: data


def _mapping(args: tuple[Any, ...]) -> Decoder:
    item = _decoder(args[1])
    return lambda data: {key: item(value) for key, value in data.items()}


def _sequence(args: tuple[Any, ...]) -> Decoder:
    if len(args) == 2 and args[1] is Ellipsis:
        item = _decoder(args[0])
        return lambda data: tuple(map(item, data))
    items = tuple(_decoder(arg) for arg in args)
    return lambda data: tuple(item(value) for item, value in zip(items, data, strict=True))


def _dataclass(kind: Any) -> Decoder:
    hints = get_type_hints(kind)
    items = [(field.name, _decoder(hints[field.name])) for field in fields(kind)]
    return lambda data: kind(*[item(data[name]) for name, item in items])


def _union(args: tuple[Any, ...]) -> Decoder:
    tagged: dict[str, Decoder] = {
        arg.__name__: _decoder(arg) for arg in args if isinstance(arg, type) and is_dataclass(arg)
    }
    plain = [arg for arg in args if arg is not types.NoneType and not is_dataclass(arg)]
    other = _decoder(plain[0]) if plain else None

    def decode_union(data: Any) -> Any:
        if data is None:
            return None
        if isinstance(data, dict) and "type" in data:
            return tagged[data["type"]](data)
        if other is None:
            raise TypeError(f"no alternative for {data!r}")
        return other(data)

    return decode_union
