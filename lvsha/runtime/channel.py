"""Newline-JSON messages over a socketpair inherited from the parent; EOF means it is gone."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

from lvsha.core.messages import Message, from_line, to_line

LINE_LIMIT = 64 * 1024 * 1024
"""A plan of 50,000 real servers is about 20 MB of JSON."""


class Channel:
    """One end of the pair."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, end: socket.socket) -> Channel:
        end.setblocking(False)
        return cls(*await asyncio.open_unix_connection(sock=end, limit=LINE_LIMIT))

    def send(self, message: Message) -> None:
        """Queue a message; never waits. A vanished peer shows as EOF to the reader."""
        if not self._writer.is_closing():
            self._writer.write(to_line(message))

    async def messages(self) -> AsyncIterator[Message]:
        """Messages until the other end is gone."""
        while True:
            try:
                line = await self._reader.readline()
            except ConnectionError:
                return
            if not line.endswith(b"\n"):
                return
            yield from_line(line)

    async def drain(self) -> None:
        """Wait until what was sent has left, or the peer is gone."""
        try:
            await self._writer.drain()
        except ConnectionError:
            return

    def close(self) -> None:
        self._writer.close()
