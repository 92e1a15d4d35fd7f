"""The words for everything that can go wrong between this machine and a target.

An error that the kernel gives at once (no descriptor, no port, no route, a local firewall) is
this machine's and says nothing about the target. The same error after the first packet has left
came back from the network, and the target is not reachable: ARP or neighbour discovery found
nobody, or a router said so.
"""

from __future__ import annotations

import errno
import os
from typing import NoReturn

from lvsha.errors import InconclusiveError, ProbeError, RefusalError

NETWORK_ERRORS = frozenset(
    {errno.ECONNREFUSED, errno.ECONNRESET, errno.ETIMEDOUT, errno.EPIPE, errno.ECONNABORTED}
)
"""Said at once, these still come from the target."""

_LOCAL_ERRORS = frozenset({errno.ENOBUFS, errno.ENOMEM})


def at_once(code: int | None, doing: str = "") -> NoReturn:
    """An error before any packet has left: this machine's. `doing` is what it would not do."""
    raise InconclusiveError(": ".join(filter(None, ("this machine", doing, _words(code)))))


def later(code: int | None, doing: str) -> NoReturn:
    """An error after a packet has left: the target's or the network's, but for want of memory."""
    if code in _LOCAL_ERRORS:
        at_once(code)
    if code == errno.ECONNREFUSED:
        raise RefusalError("connection refused")
    raise ProbeError(f"{_words(code)} while {doing}")


def _words(code: int | None) -> str:
    if code == errno.EHOSTUNREACH:
        return "host unreachable"
    if code == errno.ECONNRESET:
        return "connection reset"
    text = os.strerror(code or 0)
    return text[:1].lower() + text[1:]


def excerpt(data: bytes) -> str:
    """The beginning of what somebody sent, on one printable line that is not too long."""
    shown = ""
    for byte in data[:40]:
        text = chr(byte).encode("unicode_escape").decode("ascii")
        if len(shown) + len(text) > 60:
            return f"{shown}…"
        shown += text
    return shown + ("…" if len(data) > 40 else "")
