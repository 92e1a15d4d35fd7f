"""Certificates of every kind, made for one run of the tests."""

from __future__ import annotations

import atexit
import shutil
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import trustme

NAME = "www.example.org"


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files: a certificate with its key, but for `ca` and the bare ones."""

    ca: str
    server: str
    other_name: str
    expired: str
    future: str
    ending: str
    self_signed: str
    client: str
    foreign: str
    foreign_ca: str
    bare_cert: str
    bare_key: str


@cache
def certificates() -> Certificates:
    """`ending` is valid for ten days; `foreign` is signed by an authority nobody trusts."""
    folder = Path(mkdtemp(prefix="lvsha-certificates-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    ours, foreign = trustme.CA(), trustme.CA()
    now = datetime.now(UTC)

    def issue(name: str, ca: trustme.CA, *names: str, **dates: datetime) -> str:
        made = ca.issue_cert(*names, **dates)
        made.private_key_and_cert_chain_pem.write_to_path(folder / name)
        return str(folder / name)

    def write(name: str, *blobs: trustme.Blob) -> str:
        (folder / name).write_bytes(b"".join(blob.bytes() for blob in blobs))
        return str(folder / name)

    bare = ours.issue_cert(NAME)
    past = now - timedelta(days=3)
    return Certificates(
        ca=write("ca", ours.cert_pem),
        server=issue("server", ours, NAME, "127.0.0.1"),
        other_name=issue("other", ours, "other.example.org"),
        expired=issue("expired", ours, NAME, not_after=past),
        future=issue("future", ours, NAME, not_before=now + timedelta(days=3)),
        ending=issue("ending", ours, NAME, not_after=now + timedelta(days=10)),
        self_signed=write("self", foreign.private_key_pem, foreign.cert_pem),
        client=issue("client", ours, "client.example.org"),
        foreign=issue("foreign", foreign, NAME),
        foreign_ca=write("foreign-ca", foreign.cert_pem),
        bare_cert=write("bare.crt", bare.cert_chain_pems[0]),
        bare_key=write("bare.key", bare.private_key_pem),
    )


def server_tls(
    certificate: str,
    client_ca: str | None = None,
    version: ssl.TLSVersion | None = None,
    alpn: list[str] | None = None,
) -> ssl.SSLContext:
    """What a server of the standard library needs to speak TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client_ca)
    if alpn is not None:
        context.set_alpn_protocols(alpn)
    return context
