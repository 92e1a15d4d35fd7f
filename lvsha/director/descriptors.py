"""How many probes this process may have under way at once."""

from __future__ import annotations

import resource

KEPT_BACK = 128
"""Descriptors for everything else: netlink, control socket, its clients, logs."""

CEILING = 16_384
"""Beyond this many sockets in the air, more only costs memory and local ports."""


def raise_descriptor_limit() -> int:
    """Raise RLIMIT_NOFILE as far as allowed and useful; returns how many probes may take."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CEILING + KEPT_BACK
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(1, wanted - KEPT_BACK)
