"""Until when an X.509 certificate is valid (RFC 5280 §4.1), read from its DER encoding.

Python's ssl module tells of a certificate only where it was verified; an unverified one expires
as well.
"""

from __future__ import annotations

from datetime import UTC, datetime

UTC_TIME, GENERALIZED_TIME, VERSION = 0x17, 0x18, 0xA0


def not_after(der: bytes) -> datetime:
    """The last moment of a certificate's validity. ValueError when it is none."""
    try:
        fields = _elements(_elements(_elements(der)[0][1])[0][1])
        skip = 1 if fields[0][0] == VERSION else 0
        validity = _elements(fields[skip + 3][1])  # after serial number, signature, issuer
        return _time(*validity[1])
    except IndexError:
        raise ValueError("not an X.509 certificate") from None


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    """Tag and content of each element in turn (X.690 §8.1)."""
    found = []
    place = 0
    while place < len(data):
        tag, length, start = data[place], data[place + 1], place + 2
        if length & 0x80:
            size = length & 0x7F
            length, start = int.from_bytes(data[start : start + size], "big"), start + size
        found.append((tag, data[start : start + length]))
        place = start + length
    return found


def _time(tag: int, content: bytes) -> datetime:
    """RFC 5280 §4.1.2.5: to the second and in UTC; of a year, two digits below 50 are 20xx."""
    text = content.decode("ascii")
    if tag == UTC_TIME:
        text = ("20" if text < "50" else "19") + text
    elif tag != GENERALIZED_TIME:
        raise ValueError(f"not a time: tag {tag:#x}")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
