"""The in-memory twin of `macvlan`."""

from __future__ import annotations

from lvsha.kernel.memory_host import MemoryAddresses


class MemoryMacvlans:
    """`ports.Macvlans` of a host with these links; `macs` are those made and not removed."""

    def __init__(self, addresses: MemoryAddresses) -> None:
        self.macs: dict[str, bytes] = {}
        self._addresses = addresses

    async def make(self, name: str, parent: str, mac: bytes) -> None:
        await self._addresses.addresses(parent)
        self._addresses.plug(name)
        self.macs[name] = mac

    async def remove(self, name: str) -> None:
        if await self._addresses.link(name) is not None:
            self._addresses.unplug(name)
        self.macs.pop(name, None)
