"""The order of a listing: ipvsadm's, faults included.

ipvsadm compares addresses by the sign of a 32-bit difference, so that one more than half the
number space above another counts as below it, and sorts by merging. Where no two numbers are
that far apart this is plain ascending order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from lvsha.core.ipvsadm.numerals import UINT_MAX, as_int
from lvsha.core.types import Address, DestinationStatus, FwmarkKey, ServiceStatus

Entry = TypeVar("Entry")
Numbers = tuple[int, ...]


def sorted_services(services: Sequence[ServiceStatus]) -> list[ServiceStatus]:
    """By firewall mark, family, protocol, address and port."""
    return _sorted(services, _service_numbers, _difference)


def sorted_destinations(destinations: Sequence[DestinationStatus]) -> list[DestinationStatus]:
    """By address and port; beside IPv6 ones an IPv4 address counts as the first 32 bits."""
    return _sorted(destinations, _destination_numbers, _destination_difference)


def _service_numbers(status: ServiceStatus) -> Numbers:
    key = status.service.key
    if isinstance(key, FwmarkKey):
        return (key.mark, key.family, 0, 0, 0, 0, 0, 0)
    return (0, key.family, key.protocol, *_words(key.address), key.port)


def _destination_numbers(status: DestinationStatus) -> Numbers:
    key = status.destination.key
    return (*_words(key.address), key.port, key.address.version)


def _words(address: Address) -> Numbers:
    bits = int(address)
    if address.version == 4:
        return (bits, 0, 0, 0)
    return (bits >> 96, bits >> 64 & UINT_MAX, bits >> 32 & UINT_MAX, bits & UINT_MAX)


def _difference(left: Numbers, right: Numbers) -> int:
    for one, other in zip(left, right, strict=True):
        if one != other:
            return as_int(one - other)
    return 0


def _destination_difference(left: Numbers, right: Numbers) -> int:
    version = left[-1]
    end = 4 if version == 6 else 1
    return _difference(left[:end], right[:end]) or left[4] - right[4]


def _sorted(
    entries: Sequence[Entry],
    numbers: Callable[[Entry], Numbers],
    difference: Callable[[Numbers, Numbers], int],
) -> list[Entry]:
    pairs = [(numbers(entry), entry) for entry in entries]
    if _plain([pair[0] for pair in pairs]):
        pairs.sort(key=lambda pair: pair[0])
    else:
        pairs = _merge_sorted(pairs, difference)
    return [entry for _, entry in pairs]


def _plain(rows: Sequence[Numbers]) -> bool:
    """Whether no difference overflows and only one address family is there."""
    if not rows:
        return True
    columns = list(zip(*rows, strict=True))
    mixed = len(columns) == 6 and min(columns[-1]) != max(columns[-1])
    return not mixed and all(max(column) - min(column) < 2**31 for column in columns)


def _merge_sorted(
    pairs: list[tuple[Numbers, Entry]], difference: Callable[[Numbers, Numbers], int]
) -> list[tuple[Numbers, Entry]]:
    """glibc's qsort: halves, the smaller first, merged; equal ones keep their order."""
    if len(pairs) < 2:
        return pairs
    middle = len(pairs) // 2
    left = _merge_sorted(pairs[:middle], difference)
    right = _merge_sorted(pairs[middle:], difference)
    merged: list[tuple[Numbers, Entry]] = []
    one = other = 0
    while one < len(left) and other < len(right):
        if difference(left[one][0], right[other][0]) <= 0:
            merged.append(left[one])
            one += 1
        else:
            merged.append(right[other])
            other += 1
    return merged + left[one:] + right[other:]
