"""The two messages of grpc.health.v1 as protobuf has them, in gRPC's frames: bytes and values.

They are small enough to be written and read here: a string one way, an enumeration the other.
"""

from __future__ import annotations

from collections.abc import Iterator

SERVING = 1
STATUSES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
"""HealthCheckResponse.ServingStatus."""


def question(service: str) -> bytes:
    """HealthCheckRequest with `string service = 1`, left out where empty, and its prefix."""
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return b"\0" + len(message).to_bytes(4, "big") + message


def status(body: bytes) -> int:
    """`ServingStatus status = 1` of a HealthCheckResponse; ValueError where that is none."""
    size = int.from_bytes(body[1:5], "big")
    if len(body) != 5 + size or len(body) < 5 or body[0] != 0:
        raise ValueError("not one plain message")
    try:
        return next((value for number, value in _numbers(body[5:]) if number == 1), 0)
    except (IndexError, ValueError):
        raise ValueError("not a HealthCheckResponse") from None


def _numbers(message: bytes) -> Iterator[tuple[int, int]]:
    """Field number and value of each varint of a protobuf message; other fields are skipped."""
    place = 0
    while place < len(message):
        tag, place = _read_varint(message, place)
        match tag & 7:
            case 0:
                value, place = _read_varint(message, place)
                yield tag >> 3, value
            case 1:
                place += 8
            case 2:
                size, place = _read_varint(message, place)
                place += size
            case 5:
                place += 4
            case kind:
                raise ValueError(kind)


def _read_varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        value |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if not byte & 0x80:
            return value, place


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])
