"""How many probes this process may have under way at once."""

from __future__ import annotations

import resource

KEPT_BACK = 128
"""Descriptors for everything else: netlink, control socket, its clients, logs."""

CEILING = 16_384
"""Beyond this many sockets in the air, more only costs memory and local ports."""


def raise_descriptor_limit() -> int:
    """Raise RLIMIT_NOFILE as far as allowed; returns how many of them probes may take."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = CEILING + KEPT_BACK
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(1, min(CEILING, hard - KEPT_BACK))
