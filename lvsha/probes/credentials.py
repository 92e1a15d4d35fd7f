"""Certificates of TLS checks, read from their files whenever these have changed.

A context is shared by all checks that say the same: one with the system's certificate authorities
holds megabytes.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import replace
from typing import TypeAlias

from lvsha.core.probes import TlsOptions
from lvsha.errors import InconclusiveError

Stamp: TypeAlias = tuple[int, int, int]
"""Modification time, size and inode of a file: another stamp, another content."""

_Key: TypeAlias = tuple[TlsOptions, tuple[str, ...]]

_contexts: dict[_Key, tuple[tuple[Stamp, ...], ssl.SSLContext]] = {}


class Credentials:
    """What a check shows and believes, offering `protocols` by ALPN."""

    __slots__ = ("_files", "_key")

    def __init__(self, options: TlsOptions, protocols: tuple[str, ...]) -> None:
        self._key = replace(options, sni=None, min_days=0), protocols
        self._files = tuple(path for path in (options.ca, options.cert, options.key) if path)

    def context(self) -> ssl.SSLContext:
        """The same one until a file changes. InconclusiveError when one is missing or wrong."""
        stamps = tuple(map(_stamp, self._files))
        known = _contexts.get(self._key)
        if known is not None and known[0] == stamps:
            return known[1]
        options, protocols = self._key
        made = _made(options)
        if protocols:
            made.set_alpn_protocols(list(protocols))
        _contexts[self._key] = stamps, made
        return made


def _stamp(path: str) -> Stamp:
    try:
        found = os.stat(path)
    except OSError as error:
        raise _ours(path, os.strerror(error.errno or 0).lower()) from None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _made(options: TlsOptions) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not options.verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    elif options.ca is None:
        made.load_default_certs()
    else:
        _load_authorities(made, options.ca)
    if options.cert is not None:
        _load_own(made, options.cert, options.key)
    return made


def _load_authorities(made: ssl.SSLContext, path: str) -> None:
    """Whatever stands in the file is believed: roots, intermediates, the server's own."""
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        made.load_verify_locations(path)
    except (ssl.SSLError, OSError) as error:
        raise _unusable(path, error, "no certificates in PEM form") from None


def _load_own(made: ssl.SSLContext, cert: str, key: str | None) -> None:
    both = f"{cert} and {key}" if key else cert
    try:
        # without a password OpenSSL would ask for one on the terminal
        made.load_cert_chain(cert, key, password="")
    except (ssl.SSLError, OSError) as error:
        raise _unusable(
            both, error, "no certificate with its unencrypted key in PEM form"
        ) from None


def _unusable(path: str, error: OSError, otherwise: str) -> InconclusiveError:
    if isinstance(error, ssl.SSLError):
        mismatch = error.reason == "KEY_VALUES_MISMATCH"
        return _ours(path, "the key is not the certificate's" if mismatch else otherwise)
    return _ours(path, os.strerror(error.errno or 0).lower())


def _ours(path: str, reason: str) -> InconclusiveError:
    return InconclusiveError(f"this machine: {path}: {reason}")
