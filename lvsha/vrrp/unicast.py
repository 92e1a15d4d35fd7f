"""The sockets of virtual routers that speak to their peers alone: one for each own address.

Such a packet may come in by any interface, so that these sockets belong to none.
"""

from __future__ import annotations

from lvsha.core.types import Address
from lvsha.kernel.ports import Wire
from lvsha.vrrp.receiver import Receiver


class UnicastReceivers:
    """Shared by all segments of this machine."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._receivers: dict[Address, Receiver] = {}

    def at(self, source: Address) -> Receiver:
        """The one at `source`, opened where it is not yet. KernelError."""
        if source not in self._receivers:
            self._receivers[source] = Receiver(
                lambda readable: self._wire.open_unicast(source, readable)
            )
        return self._receivers[source]

    def close_idle(self) -> None:
        """Close those nobody listens to any more."""
        for source in [at for at, receiver in self._receivers.items() if receiver.is_idle]:
            self._receivers.pop(source).close()
