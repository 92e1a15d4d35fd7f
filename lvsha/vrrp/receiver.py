"""One socket for all virtual routers that hear the same packets, told apart by VRID."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Protocol

from lvsha.core.types import Address
from lvsha.errors import KernelError
from lvsha.kernel.ports import Packet, VrrpSocket

PACKETS_AT_ONCE = 256
"""Packets read before timers get their turn again, so that a flood can not hold them up."""


class Listener(Protocol):
    """Who takes the packets of one VRID."""

    def receive(self, packet: Packet) -> None: ...


class Receiver:
    """`opened` makes the socket; it raises KernelError where there can be none.

    `index` is that of the interface the socket is on, 0 for none. `counters` are of packets that
    belong to no virtual router here, by cause.
    """

    def __init__(self, opened: Callable[[Callable[[], None]], VrrpSocket], index: int = 0) -> None:
        self.index = index
        self.counters: Counter[str] = Counter()
        self._listeners: dict[int, Listener] = {}
        self._socket = opened(self.drain)

    @property
    def is_idle(self) -> bool:
        """Nobody listens here."""
        return not self._listeners

    def join(self, virtual_router_id: int, listener: Listener) -> None:
        self._listeners[virtual_router_id] = listener

    def leave(self, virtual_router_id: int) -> None:
        self._listeners.pop(virtual_router_id, None)

    def drain(self) -> None:
        """Hand on what has arrived, without waiting."""
        for _ in range(PACKETS_AT_ONCE):
            try:
                packet = self._socket.receive()
            except KernelError:
                self.counters["receive_errors"] += 1
                return
            if packet is None:
                return
            self._hand_on(packet)

    def send(self, message: bytes, source: Address, destination: Address) -> None:
        """KernelError when the kernel does not take it now."""
        self._socket.send(message, source, destination)

    def close(self) -> None:
        self._socket.close()

    def _hand_on(self, packet: Packet) -> None:
        if len(packet.data) < 2:
            self.counters["truncated"] += 1
        elif (listener := self._listeners.get(packet.data[1])) is None:
            if packet.destination.is_multicast or not self.index:  # else it is meant for another
                self.counters["virtual_router_id"] += 1
        else:
            listener.receive(packet)
