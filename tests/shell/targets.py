"""Local servers to probe, and one probe of them. Each server is a sentence of bad behaviour."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address

from lvsha.core.health import ProbeResult
from lvsha.core.plan import Check
from lvsha.core.probes import Probe
from lvsha.probes import Prober

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(
    handler: Handler, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """A server on a free port that treats every client so; ends with the block."""
    clients: set[asyncio.Task[None]] = set()

    async def treat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        clients.add(task)
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            clients.discard(task)

    server = await asyncio.start_server(treat, host, 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(clients):
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)


def answering(*pieces: bytes, pause: float = 0, wait: float = 0) -> Handler:
    """Reads a request, sends the pieces with pauses, waits, closes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        await asyncio.sleep(wait)
        writer.write_eof()
        await reader.read()

    return handle


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Accepts, listens, says nothing."""
    await reader.read()


async def resetting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads the request and resets."""
    await reader.readuntil(b"\r\n\r\n")
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


async def probe(
    spec: Probe, port: int, timeout: float = 2.0, host: str = "127.0.0.1"
) -> ProbeResult:
    """One probe's result."""
    prober = Prober()
    result: asyncio.Future[ProbeResult] = asyncio.get_running_loop().create_future()
    prober.prepare(Check(spec, ip_address(host), port, timeout=timeout))(result.set_result)
    try:
        return await asyncio.wait_for(result, timeout + 5)
    finally:
        prober.close()


def unused_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
