"""Servers that behave badly in ways no protocol foresees. Each is a sentence."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

from tests.shell.targets import Handler


async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Says nothing and hangs up."""
    writer.write_eof()
    await reader.read()


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Resets, after the first words of who speaks first."""
    with suppress(TimeoutError):
        await asyncio.wait_for(reader.read(1), 0.05)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


def dripping(data: bytes) -> Handler:
    """Sends a byte, pauses for longer than anybody would wait for the whole, sends a byte …"""

    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for byte in data:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.08)

    return handle


async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Sends without end and without line ends."""
    while True:
        writer.write(b"a" * 65536)
        await writer.drain()


def saying(data: bytes) -> Handler:
    """Says one thing to everybody and listens for ever."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await reader.read()

    return handle
