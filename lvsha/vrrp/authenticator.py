"""Signs what one virtual router sends, and believes no peer's advertisement twice.

Imported only where a plan has keys: the VRRP process starts small.
"""

from __future__ import annotations

import time

from lvsha.core import trailer
from lvsha.core.authentication import HmacKeys
from lvsha.core.types import Address
from lvsha.errors import PacketError

SENDERS = 8
"""Peers whose last sequence is kept; the one unheard of longest goes first."""


class Authenticator:
    """`interval` of the router's advertisements, in seconds, sets how far clocks may differ."""

    length = trailer.LENGTH

    def __init__(self, keys: HmacKeys, interval: float) -> None:
        self._sent = 0
        self._heard: dict[Address, int] = {}
        self.reconfigure(keys, interval)

    def reconfigure(self, keys: HmacKeys, interval: float) -> None:
        """Other keys; what was said and heard so far stays known."""
        if not all(key.secret for key in keys.keys):
            raise ValueError("a key of the plan was not read: nobody could tell us from a forger")
        self._keys = keys
        self._window = trailer.window(interval)

    def sign(self, message: bytes, source: Address) -> bytes:
        """What follows this advertisement, to whomever it goes."""
        self._sent = trailer.sequence_after(self._sent, time.time_ns(), self._window)
        return trailer.sign(self._keys, message, source, self._sent)

    def verify(self, data: bytes, source: Address) -> None:
        """PacketError unless `data`, trailer included, is signed, timely and new."""
        clock = time.time_ns()
        sequence = trailer.verify(self._keys, data, source, clock, self._window)
        mark = self._heard.get(source)
        if mark is not None and trailer.is_replay(mark, sequence, clock, self._window):
            raise PacketError("hmac_replayed", f"from {source}")
        self._heard.pop(source, None)
        self._heard[source] = sequence
        if len(self._heard) > SENDERS:
            del self._heard[next(iter(self._heard))]
