"""The `tls` check: handshakes with good servers, bad certificates and things that speak no TLS."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from lvsha.core.health import Outcome, ProbeResult
from lvsha.core.probes import TlsOptions, TlsProbe
from tests.shell.certificates import NAME, certificates, server_tls
from tests.shell.hostile import closing, dripping, resetting, saying
from tests.shell.targets import Handler, probe, serving, silent, unused_port

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


def options(**given: object) -> TlsProbe:
    """Verified against the tests' authority and for its name, unless something else is said."""
    return TlsProbe(TlsOptions(**{"ca": certificates().ca, "sni": NAME, **given}))  # type: ignore[arg-type]


async def reading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What a server does: listens until the client has had enough."""
    await reader.read()


@asynccontextmanager
async def tls_server(context: ssl.SSLContext, handler: Handler = reading) -> AsyncIterator[int]:
    """A TLS server whose failed handshakes nobody needs to hear of."""
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    async with serving(handler, tls=context) as port:
        yield port


@contextmanager
def alerting_server(context: ssl.SSLContext, listens: bool = True) -> Iterator[int]:
    """Takes one client in a thread; unlike asyncio it sends alerts. Perhaps it never reads."""
    over = threading.Event()

    def serve(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client, suppress(OSError), context.wrap_socket(client, server_side=True) as secured:
            if listens:
                secured.recv(1)
            else:
                over.wait(5)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            over.set()
            thread.join()


async def result(context: ssl.SSLContext, spec: TlsProbe) -> ProbeResult:
    async with tls_server(context) as port:
        return await probe(spec, port)


async def failure(context: ssl.SSLContext, spec: TlsProbe) -> str:
    found = await result(context, spec)
    assert found.outcome is Outcome.FAIL, found
    return found.message


async def plain_failure(handler: Handler, timeout: float = 2.0) -> str:
    async with serving(handler) as port:
        found = await probe(options(), port, timeout)
    assert found.outcome is Outcome.FAIL, found
    return found.message


@pytest.mark.parametrize("version", [V12, V13], ids=lambda version: version.name)
async def test_a_server_with_a_good_certificate_passes(version: ssl.TLSVersion) -> None:
    """The message names the version."""
    found = await result(server_tls(certificates().server, version=version), options())
    assert found.outcome is Outcome.PASS
    assert found.message.startswith(f"{version.name.replace('_', '.')} handshake in ")


async def test_without_a_name_the_certificate_must_have_the_address() -> None:
    """127.0.0.1 stands in the one, not in the other."""
    assert (
        await result(server_tls(certificates().server), options(sni=None))
    ).outcome is Outcome.PASS
    message = await failure(server_tls(certificates().other_name), options(sni=None))
    assert message == 'the certificate is not for "127.0.0.1"'


@pytest.mark.parametrize("version", [V12, V13], ids=lambda version: version.name)
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("other_name", f'the certificate is not for "{NAME}"'),
        ("expired", "the certificate has expired"),
        ("future", "the certificate is not valid yet"),
        ("self_signed", "the certificate is self-signed"),
        ("foreign", "the certificate is signed by an unknown authority"),
    ],
)
async def test_a_bad_certificate_fails_and_says_what_is_bad(
    kind: str, message: str, version: ssl.TLSVersion
) -> None:
    context = server_tls(getattr(certificates(), kind), version=version)
    assert await failure(context, options()) == message


@pytest.mark.parametrize("kind", ["other_name", "expired", "self_signed", "foreign"])
async def test_verification_turned_off_takes_any_certificate(kind: str) -> None:
    context = server_tls(getattr(certificates(), kind))
    assert (await result(context, options(ca=None, verify=False))).outcome is Outcome.PASS


async def test_a_certificate_that_is_believed_itself_needs_no_authority() -> None:
    """The file may hold just the server's own certificate."""
    context = server_tls(certificates().server)
    pinned = options(ca=certificates().server)
    assert (await result(context, pinned)).outcome is Outcome.PASS
    assert (await result(server_tls(certificates().ending), pinned)).outcome is Outcome.FAIL


async def test_without_a_ca_the_system_s_authorities_decide() -> None:
    """Which do not know ours."""
    message = await failure(server_tls(certificates().server), options(ca=None))
    assert message == "the certificate is signed by an unknown authority"


@pytest.mark.parametrize("verify", [True, False])
async def test_a_certificate_that_ends_too_soon_fails(verify: bool) -> None:
    """Ten days are more than nine and fewer than eleven; also where nobody verifies."""
    context = server_tls(certificates().ending)
    ca = certificates().ca if verify else None
    assert (
        await result(context, options(ca=ca, verify=verify, min_days=9))
    ).outcome is Outcome.PASS
    message = await failure(context, options(ca=ca, verify=verify, min_days=11))
    assert message.startswith("the certificate ends on 20")
    assert message.endswith(", wanted 11 days more")


async def test_an_expired_certificate_fails_min_days_where_nobody_verifies() -> None:
    context = server_tls(certificates().expired)
    message = await failure(context, options(ca=None, verify=False, min_days=1))
    assert message.startswith("the certificate ended on 20")


@pytest.mark.parametrize("version", [V12, V13], ids=lambda version: version.name)
async def test_a_server_that_wants_a_client_certificate_gets_it(version: ssl.TLSVersion) -> None:
    context = server_tls(certificates().server, client_ca=certificates().ca, version=version)
    assert (await result(context, options(cert=certificates().client))).outcome is Outcome.PASS


async def test_certificate_and_key_may_be_two_files() -> None:
    context = server_tls(certificates().server, client_ca=certificates().ca)
    pair = {"cert": certificates().bare_cert, "key": certificates().bare_key}
    assert (await result(context, options(**pair))).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("version", "own", "message"),
    [
        (V12, None, "the target refuses TLS with us: handshake failure"),
        (V13, None, "the target refuses TLS with us: certificate required"),
        (V12, "foreign", "the target refuses TLS with us: unknown ca"),
        (V13, "foreign", "the target refuses TLS with us: unknown ca"),
    ],
)
async def test_a_client_certificate_that_is_refused_fails(
    version: ssl.TLSVersion, own: str | None, message: str
) -> None:
    """With TLS 1.3 the refusal comes after the handshake, and is waited for."""
    context = server_tls(certificates().server, client_ca=certificates().ca, version=version)
    cert = getattr(certificates(), own) if own else None
    with alerting_server(context) as port:
        found = await probe(options(cert=cert), port)
    assert (found.outcome, found.message) == (Outcome.FAIL, message)


async def test_a_refusal_without_an_alert_is_noticed_too() -> None:
    """asyncio's servers just hang up."""
    context = server_tls(certificates().server, client_ca=certificates().ca, version=V13)
    message = await failure(context, options())
    assert message == "connection closed at the end of the TLS handshake"


async def test_a_server_that_ignores_our_goodbye_passes() -> None:
    """It sends no session ticket and does not answer: the deadline is no failure then."""
    context = server_tls(certificates().server, version=V13)
    context.num_tickets = 0
    with alerting_server(context, listens=False) as port:
        found = await probe(options(), port, timeout=0.3)
    assert found.outcome is Outcome.PASS


async def test_a_server_that_speaks_first_passes() -> None:
    """A greeting after the handshake is not asked for, but welcome."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n" * 1000)
        await reader.read()

    async with tls_server(server_tls(certificates().server), greet) as port:
        assert (await probe(options(), port)).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("handler", "message"),
    [
        (silent, "timed out after 100 ms while doing the TLS handshake"),
        (resetting, "connection reset while doing the TLS handshake"),
        (closing, "connection closed within the TLS handshake"),
        (saying(b"SSH-2.0-x\r\n"), r'not a TLS answer: "SSH-2.0-x\r\n"'),
        (
            saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            r'not a TLS answer: "HTTP/1.1 400 Bad Request\r\n\r\n"',
        ),
        (
            saying(b"\x15\x03\x01\0\x02\x02\x28"),
            "the target refuses TLS with us: handshake failure",
        ),
        (saying(b"\x16" + b"\xff" * 100), "TLS failed: wrong version number"),
        (
            dripping(b"\x16\x03\x03\0\x7a" + b"\0" * 100),
            "timed out after 100 ms while doing the TLS handshake",
        ),
    ],
    ids=["silent", "resets", "closes", "speaks SSH", "speaks HTTP", "alerts", "garbage", "drips"],
)  # fmt: skip
async def test_what_is_no_tls_server_fails_and_is_named(handler: Handler, message: str) -> None:
    assert await plain_failure(handler, 0.1 if "timed out" in message else 2.0) == message


async def test_endless_garbage_is_not_listened_to() -> None:
    """The first bytes tell."""

    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"a" * 65536)
            await writer.drain()

    assert await plain_failure(endless) == f'not a TLS answer: "{"a" * 40}…"'


async def test_nobody_listening_is_a_refusal() -> None:
    assert (await probe(options(), unused_port())).message == "connection refused"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"ca": "/nonexistent/ca.pem"}, "/nonexistent/ca.pem: no such file or directory"),
        ({"ca": "{}/empty"}, "{}/empty: no certificates in PEM form"),
        ({"cert": "{}/empty"}, "{}/empty: no certificate with its unencrypted key in PEM form"),
        ({"cert": "{}/nothing"}, "{}/nothing: no such file or directory"),
    ],
)
async def test_a_file_of_ours_that_is_wrong_says_nothing_about_the_target(
    given: dict[str, str], reason: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").write_text("nothing here\n")
    found = await result(
        server_tls(certificates().server),
        options(**{key: path.format(tmp_path) for key, path in given.items()}),
    )
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.message == f"this machine: {reason.format(tmp_path)}"


async def test_a_key_of_another_certificate_is_named_so() -> None:
    found = await result(
        server_tls(certificates().server),
        options(cert=certificates().bare_cert, key=certificates().server),
    )
    reason = f"{certificates().bare_cert} and {certificates().server}"
    assert found.message == f"this machine: {reason}: the key is not the certificate's"


async def test_a_new_ca_file_counts_from_the_next_probe_on(tmp_path: Path) -> None:
    """Certificates are renewed without a reload."""
    ca = tmp_path / "ca.pem"
    ca.write_bytes(Path(certificates().foreign_ca).read_bytes())
    context = server_tls(certificates().server)
    assert (await result(context, options(ca=str(ca)))).outcome is Outcome.FAIL
    ca.write_bytes(Path(certificates().ca).read_bytes())
    os.utime(ca, ns=(1, 1))
    assert (await result(context, options(ca=str(ca)))).outcome is Outcome.PASS
