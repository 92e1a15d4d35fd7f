"""Real servers for a lab: each says its own name, over TCP (HTTP or lines) and UDP.

One thread each, living in its namespace: a process of its own would cost a guest seconds to start.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from threading import Event

from lvsha.core.types import Address
from lvsha.lab.topology import Namespace

IPV6_FREEBIND = 78
"""linux/in6.h; missing from Python's socket module, like its IPv4 brother."""
IP_FREEBIND = 15


class Manner(Enum):
    """How a real server behaves towards who asks it."""

    ANSWER = "answer"
    ERROR = "error"  # HTTP 500; a line or a datagram gets nothing
    HANG = "hang"  # takes connections and never says a word
    REFUSE = "refuse"  # no listening sockets, as when the program has died


class Responder:
    """A real server that answers on `ports`, over UDP only from `addresses` (its VIPs)."""

    def __init__(
        self, machine: Namespace, ports: Sequence[int], addresses: Sequence[Address] = ()
    ) -> None:
        self.name = machine.name
        self.answered = 0
        self.manner = Manner.ANSWER
        self._ports = ports
        self._addresses = addresses
        self._selector = selectors.DefaultSelector()
        self._listeners: list[socket.socket] = []
        self._connections: set[socket.socket] = set()
        self._caller, self._bell = socket.socketpair()
        self._settled = Event()
        self._ended = False
        self._thread = machine.thread("responder", self._serve)
        self._settled.wait(10)

    def become(self, manner: Manner) -> None:
        """Behave so from now on; returns when it is so. Established connections stay."""
        self.manner = manner
        self._settled.clear()
        self._caller.send(b"!")
        self._settled.wait(10)

    def close(self) -> None:
        self._ended = True
        self._caller.send(b"!")
        self._thread.join(10)

    def _serve(self) -> None:
        self._selector.register(self._bell, selectors.EVENT_READ, self._rung)
        self._settle()
        while not self._ended:
            for key, _ in self._selector.select():
                key.data()
        for connection in [*self._connections, *self._listeners, self._bell, self._caller]:
            connection.close()
        self._selector.close()

    def _rung(self) -> None:
        self._bell.recv(64)
        self._settle()

    def _settle(self) -> None:
        if self.manner is Manner.REFUSE:
            self._stop_listening()
        elif not self._listeners:
            self._listen()
        self._settled.set()

    def _listen(self) -> None:
        for port in self._ports:
            listener = socket.create_server(
                ("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024
            )
            self._watch(listener, partial(self._accept, listener))
            self._listeners.append(listener)
            for address in self._addresses:
                datagrams = _datagram_socket(address, port)
                self._watch(datagrams, partial(self._answer_datagrams, datagrams))
                self._listeners.append(datagrams)

    def _stop_listening(self) -> None:
        for listener in self._listeners:
            self._selector.unregister(listener)
            listener.close()
        self._listeners.clear()

    def _watch(self, sock: socket.socket, action: Callable[[], None]) -> None:
        sock.setblocking(False)
        self._selector.register(sock, selectors.EVENT_READ, action)

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        self._connections.add(connection)
        self._watch(connection, partial(self._answer, connection))

    def _answer(self, connection: socket.socket) -> None:
        try:
            asked = connection.recv(65536)
            if asked and self.manner is Manner.HANG:
                return
            reply, stay = self._reply(asked)
            if reply:
                connection.sendall(reply)
        except OSError:
            stay = False
        if not stay:
            self._connections.discard(connection)
            self._selector.unregister(connection)
            connection.close()

    def _reply(self, asked: bytes) -> tuple[bytes, bool]:
        """What to say, and whether the connection stays open."""
        broken = self.manner is Manner.ERROR
        if asked.startswith((b"GET ", b"HEAD ")):
            self.answered += 1
            status = "500 Internal Server Error" if broken else "200 OK"
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(self.name)}\r\nConnection: close"
            return f"{head}\r\n\r\n{self.name}".encode(), False
        if not asked or broken:
            return b"", False
        self.answered += 1
        return f"{self.name}\n".encode(), True

    def _answer_datagrams(self, datagrams: socket.socket) -> None:
        try:
            _, peer = datagrams.recvfrom(65536)
            if self.manner is Manner.ANSWER:
                self.answered += 1
                datagrams.sendto(self.name.encode(), peer)
        except OSError:
            return


def _datagram_socket(address: Address, port: int) -> socket.socket:
    """Bound to the address even before it is there: an answer must come from the VIP."""
    if address.version == 4:
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.setsockopt(socket.IPPROTO_IP, IP_FREEBIND, 1)
    else:
        made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        made.setsockopt(socket.IPPROTO_IPV6, IPV6_FREEBIND, 1)
    made.bind((str(address), port))
    return made
