"""TLS on a connection of a probe, its sessions resumed by the next probe.

A resumed session spares both sides the certificate, so nobody verifies it then: after
REVERIFY seconds, and after any failure, a handshake is whole again (docs/decisions/0015).
"""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lvsha.core.certificate import not_after
from lvsha.core.probes import TlsOptions
from lvsha.errors import DeadlineError, ProbeError
from lvsha.probes.connection import RECEIVE_SIZE, Connection
from lvsha.probes.credentials import Credentials
from lvsha.probes.faults import excerpt
from lvsha.probes.tls_faults import fault

REVERIFY = 60.0
"""Seconds after which a certificate is looked at again."""

_RECORDS = frozenset({0x15, 0x16})
"""What TLS can begin with: an alert or a handshake record (RFC 8446 §5.1)."""


class Secured:
    """A connection with TLS on it, `resumed` where it may be. ProbeError where TLS fails."""

    __slots__ = ("_connection", "_incoming", "_outgoing", "resumed", "tls")

    def __init__(
        self,
        connection: Connection,
        context: ssl.SSLContext,
        name: str,
        resumed: Remembered | None,
    ) -> None:
        self._connection = connection
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.resumed = resumed
        self.tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_hostname=name,
            session=resumed.session if resumed else None,
        )

    async def handshake(self) -> None:
        """All of it but our last flight, which goes out with what is sent next."""
        heard = False
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                data = await self._more("doing the TLS handshake")
                if not data:
                    raise ProbeError("connection closed within the TLS handshake") from None
                if not heard and data[0] not in _RECORDS:
                    raise ProbeError(f'not a TLS answer: "{excerpt(data)}"') from None
                heard = True
            except ssl.SSLError as error:
                raise fault(error, self.tls.server_hostname) from None
            else:
                return

    async def send(self, data: bytes) -> None:
        """Send it all."""
        try:
            self.tls.write(data)
        except ssl.SSLError as error:
            raise fault(error) from None
        await self._flush()

    async def receive(self, doing: str) -> bytes:
        """Some bytes; none when the target has closed, properly or not."""
        while True:
            try:
                return self.tls.read(RECEIVE_SIZE)
            except ssl.SSLWantReadError:
                await self._more(doing)
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""
            except ssl.SSLError as error:
                raise fault(error) from None

    async def goodbye(self) -> None:
        """Close our side and hear what the target has to say to our last flight.

        Only so does a client of TLS 1.3 learn that its certificate, or its having none, is
        refused (RFC 8446 §4.4.2.4). A target that stays silent has nothing against us.
        """
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            return  # the target has spoken already, so it has nothing against us
        try:
            if not await self._more("ending TLS"):
                raise ProbeError("connection closed at the end of the TLS handshake")
            self.tls.read(1)
        except (DeadlineError, ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            return
        except ssl.SSLError as error:
            raise fault(error) from None

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._connection.send(self._outgoing.read())

    async def _more(self, doing: str) -> bytes:
        await self._flush()
        data = await self._connection.receive(doing)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return data


@dataclass(frozen=True, slots=True)
class Remembered:
    """A session, and when its certificate was verified, by our own clock."""

    session: ssl.SSLSession
    context: ssl.SSLContext
    verified: float

    def serves(self, context: ssl.SSLContext) -> bool:
        return self.context is context and time.monotonic() - self.verified < REVERIFY


class Tls:
    """TLS as one check speaks it. `name` is the server's where the options give none.

    A target that is offered only `h2` of `protocols`, by ALPN, must take it.
    """

    __slots__ = ("_credentials", "_name", "_options", "_protocols", "_remembered")

    def __init__(self, options: TlsOptions, name: str, protocols: tuple[str, ...] = ()) -> None:
        self._options = options
        self._credentials = Credentials(options, protocols)
        self._name = options.sni or name
        self._protocols = protocols
        self._remembered: Remembered | None = None

    async def over(self, connection: Connection) -> Secured:
        """TLS on this connection. Raises ProbeError or InconclusiveError."""
        known, self._remembered = self._remembered, None
        context = self._credentials.context()
        if known is not None and not known.serves(context):
            known = None
        secured = Secured(connection, context, self._name, known)
        await secured.handshake()
        self._judge(secured.tls)
        return secured

    def keep(self, secured: Secured) -> None:
        """All went well: the next probe may resume this session.

        One that was resumed is kept itself, not the fresh ticket that came with it: Python takes
        as long to copy a session as to shake hands.
        """
        tls, known = secured.tls, secured.resumed
        if known is not None and tls.session_reused:
            self._remembered = known
        elif (session := tls.session) is not None:
            self._remembered = Remembered(session, tls.context, time.monotonic())

    def _judge(self, tls: ssl.SSLObject) -> None:
        if self._protocols == ("h2",) and tls.selected_alpn_protocol() != "h2":
            raise ProbeError("the target does not offer HTTP/2")
        if self._options.min_days:
            _judge_end(not_after(tls.getpeercert(True) or b""), self._options.min_days)


def _judge_end(end: datetime, days: int) -> None:
    now = datetime.now(UTC)
    if end < now:
        raise ProbeError(f"the certificate ended on {end:%Y-%m-%d}")
    if end - now < timedelta(days=days):
        raise ProbeError(f"the certificate ends on {end:%Y-%m-%d}, wanted {days} days more")
