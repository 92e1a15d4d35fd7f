"""What a connection receives, cut into lines or counted bytes."""

from __future__ import annotations

from typing import Protocol

from lvsha.errors import ProbeError

LINE_LIMIT = 4096
"""Bytes of a line: more is not what any of our protocols says."""


class Receiver(Protocol):
    """Where bytes come from: a `Connection`."""

    async def receive(self, doing: str) -> bytes: ...


class Reader:
    """Holds what has arrived and was not asked for yet. ProbeError when the target closes."""

    __slots__ = ("_connection", "_held")

    def __init__(self, connection: Receiver) -> None:
        self._connection = connection
        self._held = b""

    async def line(self, doing: str) -> bytes:
        """Up to the next line feed, without it and a carriage return before it."""
        while (end := self._held.find(b"\n")) < 0:
            if len(self._held) > LINE_LIMIT:
                raise ProbeError(f"a line longer than {LINE_LIMIT} bytes while {doing}")
            await self._more(doing)
        line, self._held = self._held[:end], self._held[end + 1 :]
        return line.removesuffix(b"\r")

    async def exactly(self, size: int, doing: str) -> bytes:
        """So many bytes."""
        while len(self._held) < size:
            await self._more(doing)
        data, self._held = self._held[:size], self._held[size:]
        return data

    async def _more(self, doing: str) -> None:
        data = await self._connection.receive(doing)
        if not data:
            raise ProbeError(f"connection closed while {doing}")
        self._held += data
