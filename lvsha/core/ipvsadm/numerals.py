"""Numbers and addresses as the C library reads and writes them: strtol, inet_aton, inet_ntop.

Law of this file: None means "not one of these"; nothing is looked up.
"""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address, IPv6Address

from lvsha.core.types import Address

SPACE = " \t\n\v\f\r"
LONG_MAX = 2**63 - 1
INT_MAX = 2**31 - 1
UINT_MAX = 2**32 - 1


def number(text: str, low: int, high: int) -> int | None:
    """A whole decimal number from `low` to `high`; blanks and a sign may lead it."""
    digits, rest = _split_number(text)
    if rest or digits is None or not low <= digits <= high:
        return None
    return digits


def leading_number(text: str) -> int:
    """What atoi makes of the text: the number it begins with as a C int, else 0."""
    value, _ = _split_number(text)
    return 0 if value is None else as_int(max(-LONG_MAX - 1, min(LONG_MAX, value)))


def as_int(value: int) -> int:
    """The value in 32 bits with a sign, as C's int holds it."""
    value &= UINT_MAX
    return value - 2**32 if value > INT_MAX else value


def _split_number(text: str) -> tuple[int | None, str]:
    if text.isascii() and text.isdigit() and len(text) < 20:
        return int(text), ""
    body = text.lstrip(SPACE)
    sign = body[:1] if body[:1] in ("+", "-") else ""
    end = len(sign)
    while end < len(body) and "0" <= body[end] <= "9":
        end += 1
    digits = body[len(sign) : end]
    if not digits:
        return None, text
    # Beyond twenty digits every number is out of any range; int() refuses thousands of them.
    value = int(digits) if len(digits.lstrip("0")) <= 20 else 10**20
    return (-value if sign == "-" else value), body[end:]


def ipv4_address(text: str) -> IPv4Address | None:
    """inet_aton(3): one to four parts, each decimal, 0octal or 0xhex; blanks may end it."""
    address = dotted_quad(text)
    return _loose_ipv4_address(text) if address is None else address


def dotted_quad(text: str) -> IPv4Address | None:
    """inet_pton(3) for IPv4: four decimal parts without leading zeros.

    Three times as fast as the standard library's way; restores read tens of thousands.
    """
    try:
        one, two, three, four = map(_OCTETS.__getitem__, text.split("."))
    except (KeyError, ValueError):
        return None
    return IPv4Address(one << 24 | two << 16 | three << 8 | four)


_OCTETS = {str(octet): octet for octet in range(256)}


def _loose_ipv4_address(text: str) -> IPv4Address | None:
    blank = next((at for at, letter in enumerate(text) if letter in SPACE), len(text))
    parts = [_part(part) for part in text[:blank].split(".")]
    if len(parts) > 4 or any(part is None for part in parts):
        return None
    *bytes_, last = [part for part in parts if part is not None]
    room = 4 - len(bytes_)
    if any(byte > 255 for byte in bytes_) or last >= 256**room:
        return None
    return IPv4Address(int.from_bytes(bytes(bytes_), "big") * 256**room + last)


def _part(text: str) -> int | None:
    """strtoul with base 0, of a text that begins with a digit and holds nothing else."""
    base = 10
    if text[:2] in ("0x", "0X"):
        base, text = 16, text[2:]
    elif text[:1] == "0":
        base = 8
    digits = "0123456789abcdef"[:base]
    if not text or any(letter not in digits for letter in text.lower()):
        return None
    significant = text.lstrip("0") or "0"
    return int(significant, base) if len(significant) <= 11 else None  # 32 bits in octal


def ipv6_address(text: str) -> IPv6Address | None:
    """inet_pton(3) for IPv6: no zone."""
    if text.count(":") < 2 or "%" in text:
        return None
    try:
        return IPv6Address(text)
    except AddressValueError:
        return None


def address_text(address: Address) -> str:
    """inet_ntop(3): IPv4-mapped and IPv4-compatible addresses keep their dots."""
    if address.version == 6:
        bits = int(address)
        upper, lower = bits >> 32, bits & UINT_MAX
        if upper == 0xFFFF:
            return f"::ffff:{IPv4Address(lower)}"
        if upper == 0 and lower > 0xFFFF:
            return f"::{IPv4Address(lower)}"
    return str(address)
