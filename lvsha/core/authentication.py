"""What authenticates advertisements: a password in the clear, or keys that sign each of them.

Laws of this file: frozen values; a secret is in no repr. It travels from the supervisor to the
VRRP process and is shown nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeAlias

PASSWORD_BYTES = 8
"""Length of RFC 2338's authentication data, the longest password."""

MIN_KEY_BYTES = 32
MAX_KEY_BYTES = 64
"""What keepalived takes as a key of its `auth_hmac`."""


@dataclass(frozen=True, slots=True)
class Password:
    """RFC 2338 §5.3.6: a simple text password, version 2. Whoever listens can read it."""

    text: str = field(repr=False)

    @property
    def data(self) -> bytes:
        return self.text.encode()[:PASSWORD_BYTES].ljust(PASSWORD_BYTES, b"\0")

    def hidden(self) -> Password:
        return Password("")


@dataclass(frozen=True, slots=True)
class HmacKey:
    """Key `identifier` (1 to 255) of `file`. `secret` is empty until the file was read."""

    identifier: int
    file: str
    secret: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class HmacKeys:
    """Keys advertisements may be signed with; the one called `active` signs ours."""

    keys: tuple[HmacKey, ...]
    active: int

    def hidden(self) -> HmacKeys:
        return HmacKeys(tuple(replace(key, secret=b"") for key in self.keys), self.active)


Authentication: TypeAlias = Password | HmacKeys
