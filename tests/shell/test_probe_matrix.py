"""Every check that speaks over a stream, against every kind of hostile server, plain and in TLS.

What each says of each is tried word for word where the type is tried; here no combination may be
missing: a verdict within the deadline, for a reason a person understands.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from lvsha.core.health import Outcome
from lvsha.core.probes import (
    AgentProbe,
    DnsProbe,
    GrpcProbe,
    HttpProbe,
    MysqlProbe,
    PostgresProbe,
    Probe,
    RedisProbe,
    SmtpProbe,
    TcpProbe,
    TlsOptions,
    TlsProbe,
)
from tests.shell.certificates import NAME, certificates, server_tls
from tests.shell.hostile import closing, dripping, endless, resetting, saying
from tests.shell.targets import Handler, probe, serving, silent

DEADLINE = 0.15

PLAIN: dict[str, Callable[[], Probe]] = {
    "tcp": lambda: TcpProbe(b"PING\r\n", b"PONG"),
    "tcp-regex": lambda: TcpProbe(expect_regex="^PONG$"),
    "http": HttpProbe,
    "http-body": lambda: HttpProbe(contains="hello"),
    "http2": lambda: HttpProbe(http2=True),
    "grpc": GrpcProbe,
    "dns": lambda: DnsProbe(transport="tcp"),
    "smtp": SmtpProbe,
    "redis": RedisProbe,
    "mysql": MysqlProbe,
    "postgres": PostgresProbe,
    "agent": AgentProbe,
}
TLS: dict[str, Callable[[TlsOptions], Probe]] = {
    "https": lambda tls: HttpProbe(tls=tls),
    "https2": lambda tls: HttpProbe(tls=tls, http2=True),
    "tls": TlsProbe,
    "grpc-tls": lambda tls: GrpcProbe(tls=tls),
}
STARTTLS = SmtpProbe(tls=TlsOptions())

HEADERS = b"HTTP/1.1 200 OK\r\n" + b"X-Endless: header\r\n" * 20_000
HOSTILE: dict[str, Handler] = {
    "silent": silent,
    "closes": closing,
    "resets": resetting,
    "drips": dripping(b"\x00\x00\x00\x05hello, whoever you are\r\n"),
    "endless": endless,
    "endless lines": saying(b"220-hello\r\n" * 20_000),
    "endless headers": saying(HEADERS),
    "gigabyte": saying(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n" + b"x" * 2**21),
    "zeroes": saying(b"\0" * 5000),
    "noise": saying(bytes(range(256)) * 20),
    "escapes": saying(b"\x1b[31mred\x1b]0;title\x07\r\n" * 10),
    "TLS alert": saying(b"\x15\x03\x01\x00\x02\x02\x46"),
}
BAD_CERTIFICATES = ("other_name", "expired", "self_signed", "foreign")


def is_readable(message: str) -> bool:
    """One short line of printable text, and no word of Python's."""
    internals = r"Errno|Error\b|Exception|Traceback|object at|0x[0-9a-f]{6}|\bNone\b|b'"
    return (
        0 < len(message) < 200
        and message.isprintable()
        and not message.endswith(".")
        and re.search(internals, message) is None
    )


@asynccontextmanager
async def secured(handler: Handler, certificate: str) -> AsyncIterator[int]:
    """A server that offers HTTP/2; nobody needs to hear of its failed handshakes."""
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    context = server_tls(getattr(certificates(), certificate), alpn=["h2", "http/1.1"])
    async with serving(handler, tls=context) as port:
        yield port


async def judged(spec: Probe, port: int) -> str:
    """The reason of a probe that did not pass. An agent's silence says nothing of its server."""
    result = await probe(spec, port, timeout=DEADLINE)
    wanted = Outcome.INCONCLUSIVE if isinstance(spec, AgentProbe) else Outcome.FAIL
    assert result.outcome is wanted, result.message
    return result.message


@pytest.mark.parametrize("hostility", HOSTILE)
@pytest.mark.parametrize("kind", PLAIN)
async def test_a_hostile_server_gets_a_verdict_and_a_reason(kind: str, hostility: str) -> None:
    spec = PLAIN[kind]()
    async with serving(HOSTILE[hostility]) as port:
        if (kind, hostility) == ("http", "gigabyte"):
            assert (await probe(spec, port)).outcome is Outcome.PASS  # nobody asked for the body
            return
        message = await judged(spec, port)
    assert is_readable(message), message


@pytest.mark.parametrize("hostility", HOSTILE)
@pytest.mark.parametrize("kind", TLS)
async def test_a_server_that_never_speaks_tls_gets_a_reason(kind: str, hostility: str) -> None:
    async with serving(HOSTILE[hostility]) as port:
        message = await judged(TLS[kind](TlsOptions()), port)
    assert is_readable(message), message


@pytest.mark.parametrize("hostility", HOSTILE)
@pytest.mark.parametrize("kind", ["https", "https2", "grpc-tls"])
async def test_hostility_inside_of_tls_gets_a_reason(kind: str, hostility: str) -> None:
    spec = TLS[kind](TlsOptions(ca=certificates().ca, sni=NAME))
    async with secured(HOSTILE[hostility], "server") as port:
        if (kind, hostility) == ("https", "gigabyte"):
            assert (await probe(spec, port)).outcome is Outcome.PASS
            return
        result = await probe(spec, port, timeout=0.5)
    assert result.outcome is Outcome.FAIL
    assert is_readable(result.message), result.message


@pytest.mark.parametrize("certificate", BAD_CERTIFICATES)
@pytest.mark.parametrize("kind", TLS)
async def test_a_bad_certificate_is_named_by_every_check_that_speaks_tls(
    kind: str, certificate: str
) -> None:
    spec = TLS[kind](TlsOptions(ca=certificates().ca, sni=NAME))
    async with secured(silent, certificate) as port:
        result = await probe(spec, port)
    assert result.outcome is Outcome.FAIL
    assert result.message.startswith("the certificate ")


@pytest.mark.parametrize("hostility", HOSTILE)
async def test_hostility_after_starttls_gets_a_reason(hostility: str) -> None:
    async def offer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail\r\n")
        await reader.readline()
        writer.write(b"250-mail\r\n250 STARTTLS\r\n")
        await reader.readline()
        writer.write(b"220 go\r\n")
        await writer.drain()
        await HOSTILE[hostility](reader, writer)

    async with serving(offer) as port:
        message = await judged(STARTTLS, port)
    assert is_readable(message), message
