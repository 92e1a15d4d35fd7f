"""The `postgres` check: a start-up message, answered by the question who we are.

As of `pg_isready`, a refusal of the user or the database is a good sign too; but not "starting
up", "shutting down" or "too many clients".
"""

from __future__ import annotations

import struct

from lvsha.core.plan import Check
from lvsha.core.probes import PostgresProbe
from lvsha.errors import ProbeError
from lvsha.probes.connection import Connection, connect, target
from lvsha.probes.engine import Attempt
from lvsha.probes.faults import excerpt
from lvsha.probes.reader import Reader

_LENGTH = struct.Struct("!I")
_VERSION_3 = 3 << 16
_WORDS = b"user\0lvsha\0database\0postgres\0application_name\0lvsha\0\0"
_START_UP = struct.pack("!II", 8 + len(_WORDS), _VERSION_3) + _WORDS
_TERMINATE = b"X" + _LENGTH.pack(4)
_LARGEST = 16_384
_DOING = "waiting for the answer"


def postgres(check: Check) -> Attempt:
    """An attempt knocks and leaves without a password."""
    assert isinstance(check.probe, PostgresProbe)
    where = target(check)

    async def attempt() -> str:
        connection = await connect(where)
        try:
            await connection.send(_START_UP)
            kind, body = await _message(Reader(connection))
            if kind == b"R" and body == bytes(4):
                await _leave(connection)
        except BaseException:
            connection.close()
            raise
        connection.part()
        return _judged(kind, body)

    return attempt


async def _message(reader: Reader) -> tuple[bytes, bytes]:
    header = await reader.exactly(5, _DOING)
    (size,) = _LENGTH.unpack(header[1:])
    if header[:1] not in (b"R", b"E") or not 4 < size <= _LARGEST:
        raise ProbeError(f'not a PostgreSQL answer: "{excerpt(header)}"')
    return header[:1], await reader.exactly(size - 4, _DOING)


async def _leave(connection: Connection) -> None:
    """Nobody asked for a password: we are in, and there is more to come."""
    await connection.send(_TERMINATE)
    while await connection.receive("leaving"):
        pass


def _judged(kind: bytes, body: bytes) -> str:
    if kind == b"R":
        return "PostgreSQL takes connections"
    fields = {field[:1]: field[1:].decode("utf-8", "replace") for field in body.split(b"\0")}
    state, text = fields.get(b"C", ""), fields.get(b"M", "")[:120]
    if not state.startswith("28") and state != "3D000":  # who we are, which database
        raise ProbeError(f"refused by PostgreSQL: {text} ({state})")
    return "PostgreSQL takes connections"
