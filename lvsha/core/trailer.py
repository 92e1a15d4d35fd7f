"""The trailer that signs an advertisement: HMAC-SHA-256 and a sequence made of time.

Laws of this file: values and bytes only; the clock is an argument, in nanoseconds since the epoch.
draft-cassen-vrrp-auth-hmac as keepalived 2.4.3 has it, anti-replay mode time, every advertisement
signed. Comparisons of sequences are RFC 1982's, so that the seconds' field may wrap.
"""

from __future__ import annotations

import hmac
import struct

from lvsha.core.authentication import HmacKey, HmacKeys
from lvsha.core.types import Address
from lvsha.errors import PacketError

LENGTH = 28
"""Bytes after the VRRP message."""

SHA256 = 1
_HEAD = struct.Struct("!BBHQ")
"""Extension type, key, 0, sequence: 32 bits of seconds, 16 of their fraction, a counter of 16."""
_MAC_BYTES = LENGTH - _HEAD.size
_CHECKSUM = slice(6, 8)
_SEQUENCES = 1 << 64

_SHORTEST_WINDOW, _LONGEST_WINDOW = 5, 300


def window(interval: float) -> int:
    """Seconds a sequence may be off our clock, for routers that advertise every `interval`."""
    return max(_SHORTEST_WINDOW, min(3 * int(interval), _LONGEST_WINDOW))


def sequence_after(previous: int, clock: int, allowed: int) -> int:
    """The next sequence to sign with: the clock's, or one more than the `previous`.

    A clock that was set back by more than `allowed` seconds starts it anew: what it gave before is
    beyond what anybody takes.
    """
    now = _sequence(clock)
    if is_after(now, previous) or not _is_near(previous, now, allowed):
        return now
    return (previous + 1) % _SEQUENCES


def sign(keys: HmacKeys, message: bytes, source: Address, sequence: int) -> bytes:
    """The trailer of a VRRP message from `source`, the same whoever it is sent to."""
    key = next(key for key in keys.keys if key.identifier == keys.active)
    head = _HEAD.pack(SHA256, key.identifier, 0, sequence)
    return head + _mac(key, message, source, head)


def verify(keys: HmacKeys, data: bytes, source: Address, clock: int, allowed: int) -> int:
    """The sequence of a message with trailer. PacketError(cause) where it proves nothing.

    Whether that sequence has been heard before is the caller's to say.
    """
    message, trailer = data[:-LENGTH], data[-LENGTH:]
    sequence: int
    kind, identifier, reserved, sequence = _HEAD.unpack_from(trailer)
    if kind != SHA256 or reserved:
        raise PacketError("hmac_malformed", f"type {kind} from {source}")
    now = _sequence(clock)
    if not _is_near(sequence, now, allowed):
        off = _seconds_between(sequence, now)
        raise PacketError("hmac_stale", f"{off} s off our clock from {source}, at most {allowed}")
    key = next((key for key in keys.keys if key.identifier == identifier), None)
    if key is None:
        raise PacketError("hmac_key", f"{identifier} from {source} is none of ours")
    expected = _mac(key, message, source, trailer[: _HEAD.size])
    if not hmac.compare_digest(trailer[_HEAD.size :], expected):
        raise PacketError("hmac", f"wrong from {source}")
    return sequence


def is_replay(mark: int, sequence: int, clock: int, allowed: int) -> bool:
    """True when `sequence` is not newer than the sender's last one, the `mark`.

    A mark off our clock by more than `allowed` no longer counts: it orders only what is stale.
    """
    return _is_near(mark, _sequence(clock), allowed) and not is_after(sequence, mark)


def is_after(one: int, other: int) -> bool:
    """RFC 1982: serial number arithmetic."""
    return 0 < (one - other) % _SEQUENCES < _SEQUENCES // 2


def _sequence(clock: int) -> int:
    seconds, fraction = divmod(clock, 1_000_000_000)
    return (seconds << 32 | (fraction << 16) // 1_000_000_000 << 16) % _SEQUENCES


def _seconds_between(sequence: int, now: int) -> int:
    """Whole seconds by which `sequence` is ahead of `now`; negative: behind."""
    ahead = (sequence >> 32) - (now >> 32)
    return (ahead + (1 << 31)) % (1 << 32) - (1 << 31)


def _is_near(sequence: int, now: int, allowed: int) -> bool:
    return abs(_seconds_between(sequence, now)) <= allowed


def _mac(key: HmacKey, message: bytes, source: Address, head: bytes) -> bytes:
    """Over who and what, the message without checksum, and the trailer as far as it goes.

    The checksum reads as zero: of IPv6 it covers the trailer, and differs from peer to peer.
    """
    pseudo_header = struct.pack(
        "!BBBB16s", source.version, message[0] >> 4, message[1], 0, source.packed
    )
    unsummed = message[: _CHECKSUM.start] + bytes(2) + message[_CHECKSUM.stop :]
    covered = pseudo_header + unsummed + head + bytes(_MAC_BYTES)
    return hmac.digest(key.secret, covered, "sha256")[:_MAC_BYTES]
