"""The `mysql` check: greeting and a login that is meant to be refused (MySQL, MariaDB).

A client that goes away after the greeting counts against its host's max_connect_errors, until
the server takes nothing more from it; one whose login is refused does not.
"""

from __future__ import annotations

import struct

from lvsha.core.plan import Check
from lvsha.core.probes import MysqlProbe
from lvsha.errors import ProbeError
from lvsha.probes.connection import Connection, connect, target
from lvsha.probes.engine import Attempt
from lvsha.probes.faults import excerpt
from lvsha.probes.reader import Reader

_PROTOCOL_VERSION = 10
_OK, _SWITCH, _ERROR = 0x00, 0xFE, 0xFF
_DENIED = frozenset({1044, 1045, 1251, 1698, 3118, 3159})
"""Refusals of who we are and how we come: the server is well."""

_CAPABILITIES = 0x00000001 | 0x00000200 | 0x00008000
"""CLIENT_LONG_PASSWORD, CLIENT_PROTOCOL_41, CLIENT_SECURE_CONNECTION."""

_LOGIN = struct.pack("<IIB23x", _CAPABILITIES, 1 << 24, 33) + b"lvsha\0" + b"\0"
"""Handshake response: character set utf8, user lvsha, no password."""

_QUIT = b"\x01"
_LARGEST = 4096
"""Bytes of a packet before the login: greetings have about 100."""


def mysql(check: Check) -> Attempt:
    """An attempt is greeted, logs in and takes either answer."""
    assert isinstance(check.probe, MysqlProbe)
    where = target(check)

    async def attempt() -> str:
        connection = await connect(where)
        try:
            session = _Session(connection)
            version = _greeted(await session.receive("waiting for the greeting"))
            await session.send(_LOGIN)
            answer = await session.receive("logging in")
            if answer[0] == _SWITCH:  # another way to log in, with no password either
                await session.send(b"")
                answer = await session.receive("logging in")
            if answer[0] == _ERROR:
                _judge(answer)
            await session.begin_again(_QUIT)
        finally:
            connection.close()
        return f"MySQL {version}"

    return attempt


class _Session:
    """Packets: three bytes of length, one that counts (from 0 with every command)."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._reader = Reader(connection)
        self._next = 0

    async def receive(self, doing: str) -> bytes:
        header = await self._reader.exactly(4, doing)
        size = int.from_bytes(header[:3], "little")
        if not 0 < size <= _LARGEST or header[3] != self._next:
            raise ProbeError(f'not a MySQL packet: "{excerpt(header)}" while {doing}')
        self._next += 1
        return await self._reader.exactly(size, doing)

    async def send(self, payload: bytes) -> None:
        header = len(payload).to_bytes(3, "little") + bytes([self._next])
        self._next += 1
        await self._connection.send(header + payload)

    async def begin_again(self, command: bytes) -> None:
        self._next = 0
        await self.send(command)


def _greeted(packet: bytes) -> str:
    """The server's version. ProbeError where it does not greet."""
    if packet[0] == _ERROR:
        raise ProbeError(f"refused by MySQL: {_words(packet)}")
    if packet[0] != _PROTOCOL_VERSION:
        raise ProbeError(f'not a MySQL greeting: "{excerpt(packet)}"')
    return excerpt(packet[1:].split(b"\0")[0])


def _judge(packet: bytes) -> None:
    code = int.from_bytes(packet[1:3], "little")
    if code not in _DENIED:
        raise ProbeError(f"refused by MySQL: {_words(packet)}")


def _words(packet: bytes) -> str:
    """Code and text of an error; before the login it comes without `#` and SQLSTATE."""
    code = int.from_bytes(packet[1:3], "little")
    text = packet[9:] if packet[3:4] == b"#" else packet[3:]
    return f"{text[:120].decode('utf-8', 'replace')} ({code})"
