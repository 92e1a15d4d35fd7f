"""Newline-JSON messages over a socketpair inherited from the parent; EOF means it is gone."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator

from lvsha.core.messages import Configure, Message, from_line, to_line
from lvsha.errors import LvshaError

LINE_LIMIT = 64 * 1024 * 1024
"""A plan of 50,000 real servers is about 20 MB of JSON."""

_LONG = 64 * 1024
"""Bytes from which a line is decoded in a thread: 10,000 servers take half a second."""

_SHOWN = 60


class GarbageError(LvshaError):
    """The other end wrote something that is no message: it can't be talked to any more."""


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
        """Queue a message; never waits. A vanished peer shows as EOF to the reader.

        One that has taken nothing in for LINE_LIMIT bytes is as good as gone: the channel closes.
        """
        self.send_line(to_line(message))

    def send_line(self, line: bytes) -> None:
        """The same with a message's finished line."""
        if self._writer.is_closing():
            return
        if self._writer.transport.get_write_buffer_size() > LINE_LIMIT:
            self._writer.transport.abort()
            return
        self._writer.write(line)

    async def messages(self) -> AsyncIterator[Message]:
        """Messages until the other end is gone. GarbageError for what is none."""
        while True:
            try:
                line = await self._reader.readline()
            except ConnectionError:
                return
            except ValueError:
                raise GarbageError(f"channel: a line longer than {LINE_LIMIT} bytes") from None
            if not line.endswith(b"\n"):
                return
            yield await _decode(line)

    async def drain(self) -> None:
        """Wait until what was sent has left, or the peer is gone."""
        try:
            await self._writer.drain()
        except ConnectionError:
            return

    def close(self) -> None:
        self._writer.close()


async def _decode(line: bytes) -> Message:
    message: Message | None
    try:
        if len(line) > _LONG:
            message = await asyncio.to_thread(_read_long, line)
        else:
            message = from_line(line)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        message = None
    if message is None:  # `null` is JSON, too
        raise GarbageError(f"channel: not a message: {line[:_SHOWN]!r}")
    return message


def _read_long(line: bytes) -> Message:
    """Values of a plan are no garbage, and looking through them would hold the loop up as well.

    Only a plan is set aside for good: with it goes what garbage there is, which a status of many
    routers every other second would make a leak.
    """
    gc.disable()
    try:
        message = from_line(line)
        if isinstance(message, Configure):
            gc.freeze()
        return message
    finally:
        gc.enable()
