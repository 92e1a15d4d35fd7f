"""The in-memory twin of `routing`."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator

from lvsha.core.moving import VirtualRoute, VirtualRule
from lvsha.core.types import Network
from lvsha.errors import KernelError


class MemoryRouting:
    """`ports.Routing` of a host. `learn` and `forget` are what others do to its main table.

    `held` are our own routes and rules, by interface.
    """

    def __init__(self) -> None:
        self.held: list[tuple[str, VirtualRoute | VirtualRule]] = []
        self.refusal = 0
        """Errno every change meets; 0: none."""
        self._routes: set[Network] = set()
        self._readers: list[asyncio.Event] = []

    def learn(self, to: Network) -> None:
        self._routes.add(to)
        self._tell()

    def forget(self, to: Network) -> None:
        self._routes.discard(to)
        self._tell()

    async def has_route(self, to: Network) -> bool:
        return to in self._routes

    async def changes(self) -> AsyncIterator[None]:
        reader = asyncio.Event()
        self._readers.append(reader)
        while True:
            await reader.wait()
            reader.clear()
            yield

    async def add(self, interface: str, path: VirtualRoute | VirtualRule) -> None:
        self._refuse(path)
        if (interface, path) in self.held:
            raise KernelError(errno.EEXIST, str(path))
        self.held.append((interface, path))

    async def remove(self, interface: str, path: VirtualRoute | VirtualRule) -> None:
        self._refuse(path)
        if (interface, path) not in self.held:
            raise KernelError(errno.ESRCH, str(path))
        self.held.remove((interface, path))

    async def close(self) -> None:
        self._readers.clear()

    def _refuse(self, path: VirtualRoute | VirtualRule) -> None:
        if self.refusal:
            raise KernelError(self.refusal, str(path))

    def _tell(self) -> None:
        for reader in self._readers:
            reader.set()
