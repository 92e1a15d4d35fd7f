"""The `https` check of servers that shake hands and then misbehave."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from lvsha.core.health import Outcome
from lvsha.core.probes import HttpProbe, TlsOptions
from tests.shell.certificates import NAME, certificates, server_tls
from tests.shell.targets import Handler, answering, probe, resetting, serving, silent

HEAD = b"HTTP/1.1 200 OK\r\n"


def spec(**more: object) -> HttpProbe:
    options = TlsOptions(ca=certificates().ca)
    return HttpProbe(**{"host": NAME, "tls": options, **more})  # type: ignore[arg-type]


@asynccontextmanager
async def tls_server(handler: Handler, kind: str = "server") -> AsyncIterator[int]:
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    context = server_tls(getattr(certificates(), kind), version=ssl.TLSVersion.TLSv1_3)
    async with serving(handler, tls=context) as port:
        yield port


async def failure(handler: Handler, probed: HttpProbe, kind: str = "server") -> str:
    async with tls_server(handler, kind) as port:
        result = await probe(probed, port, timeout=0.3)
    assert result.outcome is Outcome.FAIL, result
    return result.message


async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A gigabyte of body, as fast as it is taken."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(HEAD + b"Content-Length: 1073741824\r\n\r\n")
    for _ in range(16384):
        writer.write(b"x" * 65536)
        await writer.drain()


async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Forgets TLS in the middle."""
    await reader.readuntil(b"\r\n\r\n")
    os.write(writer.get_extra_info("socket").fileno(), HEAD + b"\r\n")
    await asyncio.sleep(0.2)


@pytest.mark.parametrize(
    ("handler", "probed", "message"),
    [
        (silent, spec(), "timed out after 300 ms while waiting for the answer"),
        (resetting, spec(), "connection reset while waiting for the answer"),
        (answering(), spec(), "connection closed without an answer"),
        (answering(HEAD), spec(), "connection closed within the HTTP headers"),
        (
            answering(*[HEAD[n : n + 1] for n in range(10)], pause=0.1),
            spec(),
            "timed out after 300 ms while reading the answer",
        ),
        (
            answering(HEAD, *[b"X: " + b"y" * 1000 + b"\r\n"] * 200),
            spec(),
            "HTTP headers longer than 64 KiB",
        ),
        (answering(b"220 mail\r\n"), spec(), r'not an HTTP answer: "220 mail\r\n"'),
        (
            endless,
            spec(contains="y", tls=TlsOptions(ca=certificates().ca)),
            'HTTP 200, but "y" is not in the first 1024 KiB of the body',
        ),
        (plain, spec(), "TLS failed: wrong version number"),
        (answering(HEAD + b"\r\n"), spec(http2=True), "the target does not offer HTTP/2"),
    ],
    ids=[
        "silent", "resets", "closes", "closes early", "drips", "endless headers", "speaks SMTP",
        "a gigabyte", "forgets TLS", "knows no ALPN",
    ],
)  # fmt: skip
async def test_it_fails_on(handler: Handler, probed: HttpProbe, message: str) -> None:
    """Each wrong answer has a reason a person understands."""
    assert await failure(handler, probed) == message


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("other_name", f'the certificate is not for "{NAME}"'),
        ("expired", "the certificate has expired"),
        ("self_signed", "the certificate is self-signed"),
        ("foreign", "the certificate is signed by an unknown authority"),
    ],
)
async def test_a_bad_certificate_fails_before_anything_is_asked(kind: str, message: str) -> None:
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(100))

    assert await failure(listen, spec(), kind) == message
    assert b"".join(heard) == b""


async def test_a_huge_body_is_not_read_when_nobody_wants_it() -> None:
    """The status decides."""
    async with tls_server(endless) as port:
        result = await probe(spec(), port)
    assert result.outcome is Outcome.PASS
