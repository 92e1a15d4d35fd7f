"""The `smtp` check (RFC 5321): greeting, EHLO, STARTTLS where asked (RFC 3207), QUIT."""

from __future__ import annotations

import re
import socket

from lvsha.core.plan import Check
from lvsha.core.probes import SmtpProbe
from lvsha.errors import ProbeError
from lvsha.probes.connection import Stream, connect, target
from lvsha.probes.engine import Attempt
from lvsha.probes.faults import excerpt
from lvsha.probes.reader import Reader

_REPLY = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_LONGEST_REPLY = 100
"""Lines."""

_NO_EHLO = frozenset({500, 501, 502, 504})
"""RFC 5321 §3.2: the server is old, HELO it is."""


def smtp(check: Check) -> Attempt:
    """An attempt is one polite session without mail."""
    spec = check.probe
    assert isinstance(spec, SmtpProbe)
    where = target(check)
    name = spec.helo or socket.gethostname()

    speaker = None
    if spec.tls is not None:
        from lvsha.probes.secure import Tls

        speaker = Tls(spec.tls, str(check.address))

    async def attempt() -> str:
        found = "SMTP 250"
        connection = await connect(where)
        try:
            session = _Session(connection)
            await session.greeting()
            extensions = await session.hello(name)
            if speaker is not None:
                await session.starttls(extensions)
                secured = await speaker.over(connection)
                found = f"{found} over {secured.tls.version()}"
                session = _Session(secured)
                await session.hello(name)  # RFC 3207 §4.2: what was known is forgotten
            await session.quit()
            if speaker is not None:
                speaker.keep(secured)
        finally:
            connection.close()
        return found

    return attempt


class _Session:
    """Commands and their replies, each of which must have the code it should."""

    def __init__(self, connection: Stream) -> None:
        self._connection = connection
        self._reader = Reader(connection)

    async def greeting(self) -> None:
        _want(220, *await self._reply("the greeting"), "greeted with")

    async def hello(self, name: str) -> frozenset[bytes]:
        """The extensions offered."""
        code, lines = await self._ask("EHLO", f"EHLO {name}")
        if code in _NO_EHLO:
            _want(250, *await self._ask("HELO", f"HELO {name}"), "HELO answered")
            return frozenset()
        _want(250, code, lines, "EHLO answered")
        return frozenset(line.split(b" ")[0].upper() for line in lines[1:])

    async def starttls(self, extensions: frozenset[bytes]) -> None:
        if b"STARTTLS" not in extensions:
            raise ProbeError("STARTTLS is not offered")
        _want(220, *await self._ask("STARTTLS", "STARTTLS"), "STARTTLS answered")

    async def quit(self) -> None:
        """Wait for the reply (§4.1.1.10), so that the server need not note a lost connection."""
        await self._ask("QUIT", "QUIT")

    async def _ask(self, verb: str, command: str) -> tuple[int, list[bytes]]:
        await self._connection.send(command.encode() + b"\r\n")
        return await self._reply(f"the answer to {verb}")

    async def _reply(self, what: str) -> tuple[int, list[bytes]]:
        """Code and texts of a reply of one or more lines (§4.2.1)."""
        texts: list[bytes] = []
        while len(texts) < _LONGEST_REPLY:
            line = await self._reader.line(f"waiting for {what}")
            match = _REPLY.fullmatch(line)
            if match is None:
                raise ProbeError(f'not an SMTP answer: "{excerpt(line)}"')
            texts.append(match[3] or b"")
            if match[2] != b"-":
                return int(match[1]), texts
        raise ProbeError(f"more than {_LONGEST_REPLY} lines while waiting for {what}")


def _want(wanted: int, code: int, texts: list[bytes], what: str) -> None:
    if code != wanted:
        raise ProbeError(f'{what} {code} "{excerpt(texts[-1])}", wanted {wanted}')
