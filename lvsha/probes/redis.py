"""The `redis` check: PING, after AUTH where a password is given (RESP, inline and as arrays)."""

from __future__ import annotations

from lvsha.core.plan import Check
from lvsha.core.probes import RedisProbe
from lvsha.errors import ProbeError
from lvsha.probes.connection import Connection, connect, target
from lvsha.probes.engine import Attempt
from lvsha.probes.faults import excerpt
from lvsha.probes.password import password
from lvsha.probes.reader import Reader


def redis(check: Check) -> Attempt:
    """An attempt logs in if it can and wants PONG."""
    spec = check.probe
    assert isinstance(spec, RedisProbe)
    where = target(check)

    async def attempt() -> str:
        secret = password(spec.password_file) if spec.password_file else None
        connection = await connect(where)
        try:
            reader = Reader(connection)
            if secret is not None:
                await _ask(connection, reader, b"AUTH", secret)
            answer = await _ask(connection, reader, b"PING")
        finally:
            connection.close()
        if answer != b"+PONG":
            raise ProbeError(f'PING was answered with "{excerpt(answer)}", wanted "+PONG"')
        return "PONG"

    return attempt


async def _ask(connection: Connection, reader: Reader, *words: bytes) -> bytes:
    """The answer to a command. ProbeError where it is an error."""
    bulk = [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
    await connection.send(b"*%d\r\n" % len(words) + b"".join(bulk))
    name = words[0].decode()
    line = await reader.line(f"waiting for the answer to {name}")
    if line.startswith(b"-"):
        raise ProbeError(f"redis refused {name}: {line[1:120].decode('ascii', 'replace')}")
    return line
