"""The `smtp` check against aiosmtpd and against servers that refuse."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from aiosmtpd.smtp import SMTP, Session

from lvsha.core.health import Outcome
from lvsha.core.probes import SmtpProbe, TlsOptions
from tests.shell.targets import Handler, probe, serving

PASS, FAIL = Outcome.PASS, Outcome.FAIL


class _Note:
    """Writes down the names clients give."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: object, name: str, answers: list[str]
    ) -> list[str]:
        self.heard.append(f"EHLO {name}")
        session.host_name = name
        return answers

    async def handle_QUIT(self, server: SMTP, session: object, envelope: object) -> str:
        self.heard.append("QUIT")
        return "221 bye"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> str:
    """The file of the authority that signed our servers."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


@asynccontextmanager
async def aiosmtpd(note: _Note, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """aiosmtpd on a free port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(note, hostname="mail.test", tls_context=tls, loop=loop), "127.0.0.1", 0
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def _server_context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_a_mail_server_passes_and_hears_our_name() -> None:
    """A session without mail, ended in order."""
    note = _Note()
    async with aiosmtpd(note) as port:
        result = await probe(SmtpProbe(helo="lb1.example"), port)
        await asyncio.sleep(0.05)
    assert result.outcome is PASS
    assert result.message.startswith("SMTP 250 in ")
    assert note.heard == ["EHLO lb1.example", "QUIT"]


async def test_starttls_is_spoken_and_verified(authority: trustme.CA, ca: str) -> None:
    """After the handshake a second EHLO."""
    note = _Note()
    async with aiosmtpd(note, _server_context(authority, "127.0.0.1")) as port:
        result = await probe(SmtpProbe("lb1", TlsOptions(ca=ca)), port)
        await asyncio.sleep(0.05)
    assert result.outcome is PASS, result.message
    assert result.message.startswith("SMTP 250 over TLSv1.3 in ")
    assert note.heard == ["EHLO lb1", "EHLO lb1", "QUIT"]


async def test_a_certificate_for_another_name_fails(authority: trustme.CA, ca: str) -> None:
    async with aiosmtpd(_Note(), _server_context(authority, "mail.test")) as port:
        wrong = await probe(SmtpProbe(tls=TlsOptions(ca=ca)), port)
        right = await probe(SmtpProbe(tls=TlsOptions(ca=ca, sni="mail.test")), port)
        unverified = await probe(SmtpProbe(tls=TlsOptions(verify=False)), port)
    assert wrong.outcome is FAIL
    assert "certificate" in wrong.message
    assert (right.outcome, unverified.outcome) == (PASS, PASS)


async def test_starttls_that_is_not_offered_fails() -> None:
    async with aiosmtpd(_Note()) as port:
        result = await probe(SmtpProbe(tls=TlsOptions(verify=False)), port)
    assert (result.outcome, result.message) == (FAIL, "STARTTLS is not offered")


def talking(*answers: bytes) -> Handler:
    """Greets with the first and answers each line with the next."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            writer.write(answer)
            await writer.drain()
            await reader.readline()
        await reader.read()

    return handle


@pytest.mark.parametrize(
    ("answers", "outcome", "message"),
    [
        ((b"220 x\r\n", b"250 x\r\n", b"221 bye\r\n"), PASS, "SMTP 250 in "),
        ((b"220-x\r\n220-y\r\n220 z\r\n", b"250\r\n", b"221\r\n"), PASS, "SMTP 250 in "),
        ((b"220 x\n", b"502 what?\n", b"250 x\n", b"221 bye\n"), PASS, "SMTP 250 in "),
        ((b"554 go away\r\n",), FAIL, 'greeted with 554 "go away", wanted 220'),
        ((b"421 busy\r\n",), FAIL, 'greeted with 421 "busy", wanted 220'),
        (
            (b"220 x\r\n", b"550 no\r\n"),
            FAIL,
            'EHLO answered 550 "no", wanted 250',
        ),
        (
            (b"220 x\r\n", b"500 eh\r\n", b"500 eh\r\n"),
            FAIL,
            'HELO answered 500 "eh", wanted 250',
        ),
        ((b"220 x\r\n", b"nonsense\r\n"), FAIL, 'not an SMTP answer: "nonsense"'),
        ((b"220-x\r\n" * 200,), FAIL, "more than 100 lines while waiting for the greeting"),
        (
            (b"220 x\r\n", b"250 x\r\n", b""),
            FAIL,
            "timed out after 200 ms while waiting for the answer to QUIT",
        ),
    ],
)
async def test_every_reply_is_judged(
    answers: tuple[bytes, ...], outcome: Outcome, message: str
) -> None:
    async with serving(talking(*answers)) as port:
        result = await probe(SmtpProbe("x"), port, timeout=0.2)
    assert result.outcome is outcome
    assert result.message.startswith(message)


async def test_starttls_that_is_refused_or_not_meant_fails() -> None:
    spec = SmtpProbe("x", TlsOptions(verify=False))
    offer = b"250-x\r\n250 STARTTLS\r\n"
    async with serving(talking(b"220 x\r\n", offer, b"454 not now\r\n")) as port:
        refused = await probe(spec, port)
    async with serving(talking(b"220 x\r\n", offer, b"220 go\r\n", b"hello\r\n")) as port:
        not_meant = await probe(spec, port)
    assert refused.message == 'STARTTLS answered 454 "not now", wanted 220'
    assert not_meant.outcome is FAIL
    assert "TLS" in not_meant.message
