"""Loading the module behind one of the kernel's catch-all tunnel devices."""

from __future__ import annotations

from lvsha.errors import HostError
from lvsha.kernel.modules import Host


def load_tunnel(module: str, host: Host | None = None) -> None:
    """See to it that `ipip`, `ip6_tunnel` or `sit` is in the kernel; HostError where it can't be.

    Loading makes the device in every network namespace, so it is never unloaded again.
    """
    host = host or Host.here()
    if host.modprobe is None:
        raise HostError(f"{module}: not loaded, and no modprobe to load it: install kmod")
    try:
        outcome = host.run((host.modprobe, module))
    except TimeoutError:
        raise HostError(f"{module}: modprobe takes too long") from None
    if outcome.status:
        reason = outcome.complaint or f"modprobe ended with {outcome.status}"
        reason = reason.removeprefix("modprobe: FATAL: ")
        raise HostError(f"{module}: kernel {host.release} does not load it: {reason}")
