"""The lab's client: who answered each request, and what a steady stream of them met."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lvsha.core.types import Address, Protocol
from lvsha.errors import ProbeError
from lvsha.lab.topology import Namespace

GET = b"GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Target:
    """What clients ask: a VIP and a port. `str()` of it names it in errors."""

    address: Address
    port: int
    protocol: Protocol = Protocol.TCP

    def open(self, source: tuple[str, int], timeout: float) -> socket.socket:
        """A socket connected to it, from a chosen address and port ("" and 0: the kernel's)."""
        family = socket.AF_INET if self.address.version == 4 else socket.AF_INET6
        kind = socket.SOCK_STREAM if self.protocol is Protocol.TCP else socket.SOCK_DGRAM
        made = socket.socket(family, kind)
        try:
            made.settimeout(timeout)
            if source != ("", 0):
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                made.bind(source)
            made.connect((str(self.address), self.port))
        except OSError as error:
            made.close()
            raise ProbeError(f"{self}: {error}") from error
        return made


class Held:
    """A conversation that stays open, so that the balancer counts it as active."""

    def __init__(self, target: Target, sock: socket.socket) -> None:
        self._target = target
        self._socket = sock

    def ask(self) -> str:
        """Who is at the other end. ProbeError when nobody answers in time."""
        try:
            self._socket.send(b"who\n")
            answer = self._socket.recv(100)
        except OSError as error:
            raise ProbeError(f"{self._target}: {error}") from error
        if not answer:
            raise ProbeError(f"{self._target}: closed without an answer")
        return answer.decode().strip()

    def close(self) -> None:
        self._socket.close()


class Client:
    """Asks from inside a namespace, one request at a time. `timeout` in seconds."""

    def __init__(self, machine: Namespace, timeout: float = 5.0) -> None:
        self.machine = machine
        self.timeout = timeout

    def ask(self, target: Target, source: tuple[str, int] = ("", 0)) -> str:
        """Who answered one new connection (TCP) or datagram (UDP). ProbeError when nobody did."""
        held = self.hold(target, source)
        try:
            return held.ask()
        finally:
            held.close()

    def count(
        self, target: Target, requests: int, sources: Iterable[tuple[str, int]] | None = None
    ) -> Counter[str]:
        """Answers by name over that many requests, or one from each source."""
        origins = [("", 0)] * requests if sources is None else sources
        return Counter(self.ask(target, source) for source in origins)

    def hold(self, target: Target, source: tuple[str, int] = ("", 0)) -> Held:
        with self.machine.entered():
            return Held(target, target.open(source, self.timeout))


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request of a steady stream. Times in monotonic seconds; `server` None: it failed."""

    began: float
    ended: float
    server: str | None
    error: str = ""


class Steady:
    """HTTP requests at a fixed rate, each a new connection, whatever becomes of those before it.

    `rate` per second, `timeout` in seconds. `tell` hears every outcome, in its own thread.
    """

    def __init__(
        self,
        machine: Namespace,
        target: Target,
        rate: float,
        timeout: float,
        tell: Callable[[Outcome], None],
    ) -> None:
        self._target = target
        self._interval = 1 / rate
        self._timeout = timeout
        self._tell = tell
        self._ended = False
        self._thread = machine.thread("steady", lambda: asyncio.run(self._run()))

    def stop(self) -> None:
        """No new requests; returns when the last under way has ended."""
        self._ended = True
        self._thread.join()

    async def _run(self) -> None:
        due = time.monotonic()
        async with asyncio.TaskGroup() as requests:
            while not self._ended:
                requests.create_task(self._request(), name="request")
                due = max(due + self._interval, time.monotonic())
                await asyncio.sleep(due - time.monotonic())

    async def _request(self) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                server = await self._get()
            self._tell(Outcome(began, time.monotonic(), server))
        except TimeoutError:
            self._tell(Outcome(began, time.monotonic(), None, "no answer in time"))
        except (OSError, ProbeError) as error:
            self._tell(Outcome(began, time.monotonic(), None, str(error)))

    async def _get(self) -> str:
        reader, writer = await asyncio.open_connection(str(self._target.address), self._target.port)
        try:
            writer.write(GET)
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        finally:
            writer.close()
        if not head.startswith(b"HTTP/1.1 200 "):
            raise ProbeError(f"answered {head[:30]!r}")
        return body.decode()
