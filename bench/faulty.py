"""Web servers of one process that fail as they are told, each at an address of its own.

Written for the guest, whose system calls are dear: one epoll for all, nested in the event loop.
"""

from __future__ import annotations

import asyncio
import ctypes
import select
import socket
import struct
import time
from collections.abc import Iterable
from contextlib import suppress
from enum import Enum

PORT = 80
BACKLOG = 64
LATE = 0.5
"""Seconds after a checker's timeout at which a slow server answers."""

SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27
"""asm-generic/socket.h; missing from Python's socket module."""

_DROP = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
"""One instruction of a classic BPF program, `ret #0`: a listener with it drops every packet."""


class Fault(Enum):
    """How a server fails."""

    REFUSED = "refused"  # the listener is closed: connections are answered with RST
    BLACKHOLED = "blackholed"  # packets to it are dropped, none is answered
    HTTP_500 = "HTTP 500"
    SLOW = "slow"  # answers when the checker's timeout is over


class Server:
    """One server: what ails it, and who waits for it to be asked."""

    def __init__(self, address: str, slowness: float) -> None:
        self.address = address
        self.fault: Fault | None = None
        self.slowness = slowness
        self.listener = _listener(address)
        self._waiting: list[asyncio.Future[None]] = []

    async def next_question(self) -> None:
        """Wait until it is asked again."""
        question = asyncio.get_running_loop().create_future()
        self._waiting.append(question)
        await question

    def heard(self) -> None:
        """Somebody connected."""
        for question in self._waiting:
            if not question.done():
                question.set_result(None)
        self._waiting.clear()

    def answer(self) -> bytes:
        status = "500 Internal Server Error" if self.fault is Fault.HTTP_500 else "200 OK"
        return f"HTTP/1.1 {status}\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n".encode()


class Servers:
    """All of them, on the loop this is made on. `timeout` is the checkers', in seconds."""

    def __init__(self, addresses: Iterable[str], timeout: float) -> None:
        self.every = {address: Server(address, timeout + LATE) for address in addresses}
        self._loop = asyncio.get_running_loop()
        self._epoll = select.epoll()
        self._listening: dict[int, Server] = {}
        self._clients: dict[int, tuple[socket.socket, Server]] = {}
        for server in self.every.values():
            self._listening[server.listener.fileno()] = server
            self._epoll.register(server.listener.fileno(), select.EPOLLIN)
        self._loop.add_reader(self._epoll.fileno(), self._serve)

    def fail(self, server: Server, fault: Fault) -> float:
        """From now on; the loop's time of that."""
        if fault is Fault.REFUSED:
            self._epoll.unregister(server.listener.fileno())
            server.listener.shutdown(socket.SHUT_RD)  # closed, its address kept
        elif fault is Fault.BLACKHOLED:
            program = struct.pack("HL", 1, ctypes.addressof(_DROP))
            server.listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
        server.fault = fault
        return time.monotonic()

    def mend(self, server: Server) -> float:
        """It is well from now on; the loop's time of that."""
        if server.fault is Fault.REFUSED:
            server.listener.listen(BACKLOG)
            self._epoll.register(server.listener.fileno(), select.EPOLLIN)
        elif server.fault is Fault.BLACKHOLED:
            server.listener.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
        server.fault = None
        return time.monotonic()

    def close(self) -> None:
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        for client, _ in self._clients.values():
            client.close()
        for server in self.every.values():
            server.listener.close()

    def _serve(self) -> None:
        for fd, _ in self._epoll.poll(0):
            if server := self._listening.get(fd):
                self._accept(server)
            elif fd in self._clients:
                self._hear(*self._clients.pop(fd))

    def _accept(self, server: Server) -> None:
        try:
            client, _ = server.listener.accept()
        except BlockingIOError:
            return
        client.setblocking(False)
        server.heard()
        self._clients[client.fileno()] = client, server
        self._epoll.register(client.fileno(), select.EPOLLIN)

    def _hear(self, client: socket.socket, server: Server) -> None:
        try:
            asked = client.recv(4096)
        except ConnectionError:
            asked = b""
        if asked and server.fault is Fault.SLOW:
            self._epoll.unregister(client.fileno())
            self._loop.call_later(server.slowness, _answer, client, server)
        elif asked:
            _answer(client, server)
        else:
            client.close()


def _answer(client: socket.socket, server: Server) -> None:
    with suppress(OSError):  # who asked has gone
        client.send(server.answer())
    client.close()


def _listener(address: str) -> socket.socket:
    listener = socket.create_server((address, PORT), backlog=BACKLOG)
    listener.setblocking(False)
    return listener
