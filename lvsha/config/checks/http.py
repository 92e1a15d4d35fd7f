"""The `http` and `https` checks in the file."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import PlainValidator, WithJsonSchema

from lvsha.config.checks.check import CheckMistake, CommonCheck
from lvsha.config.checks.contents import Digest, JsonEquals, Regex, RequestBody
from lvsha.config.checks.texts import (
    HeaderName,
    HeaderValue,
    Host,
    Method,
    Path,
    Statuses,
    Text,
    matching,
)
from lvsha.config.checks.tls import LABELS, FilePath, TlsKeys
from lvsha.config.scalars import Flag, whole
from lvsha.core.probes import HttpProbe, JsonWanted, TlsOptions

UserName: TypeAlias = Annotated[
    str,
    matching(r"[^:\x00-\x1f\x7f]+", "a user name: it has no colon"),
    WithJsonSchema({"type": "string"}),
]
_ON = 5
"""Redirects followed where the file says just `true`."""


def _redirects(value: object) -> int:
    return _ON * value if isinstance(value, bool) else whole(0, 10)(value)


Redirects: TypeAlias = Annotated[
    int,
    PlainValidator(_redirects),
    WithJsonSchema(
        {"anyOf": [{"type": "boolean"}, {"type": "integer", "minimum": 0, "maximum": 10}]}
    ),
]

# pydantic's models have a deprecated method of that name, which nobody calls here
warnings.filterwarnings("ignore", 'Field name "json" in "HttpKeys" shadows', UserWarning)


class HttpKeys(CommonCheck):
    """A request, and what is wanted of its answer."""

    path: Path = "/"
    """Path and query of the request."""
    host: Host | None = None
    """The Host header; default the probed address."""
    method: Method = "GET"
    """The request's method."""
    headers: dict[HeaderName, HeaderValue] = {}
    """Further headers of the request."""
    body: RequestBody | None = None
    """Body of the request, in UTF-8: up to 16 KiB."""
    user: UserName | None = None
    """User name of basic authentication (RFC 7617)."""
    password_file: FilePath | None = None
    """File whose first line is that user's password; read at every probe, shown nowhere."""
    status: Statuses = [(200, 299)]
    """Statuses and ranges of them that count as a pass."""
    contains: Text | None = None
    """Text that must stand in the first 1024 KiB of the body."""
    regex: Regex | None = None
    """Pattern of RE2 that must match somewhere in the first 64 KiB of the body."""
    json: JsonEquals | None = None  # type: ignore[assignment]
    """Value that the body, JSON of up to 64 KiB, must have."""
    digest: Digest | None = None
    """MD5 or SHA-256 of the body, which may have up to 1024 KiB, in hexadecimal."""
    redirects: Redirects = 0
    """How many are followed, to the same host on the same target; `true` is 5."""
    http2: Flag = False
    """HTTP/2 instead of HTTP/1.1: with prior knowledge, or with https by ALPN."""

    def mistakes(self) -> Iterator[CheckMistake]:
        yield from super().mistakes()
        if self.user is not None and self.password_file is None:
            yield CheckMistake("user", "of no use without password_file")
        if self.password_file is not None and self.user is None:
            yield CheckMistake("password_file", "of no use without user")
        if self.method == "HEAD":
            wanted = ("contains", "regex", "json", "digest")
            for key in (key for key in wanted if getattr(self, key) is not None):
                yield CheckMistake(key, "of no use with method HEAD: its answer has no body")

    def http_probe(self, tls: TlsOptions | None) -> HttpProbe:
        wanted: JsonEquals | None = self.json
        return HttpProbe(
            path=self.path,
            host=self.host,
            method=self.method,
            headers=tuple(self.headers.items()),
            status=tuple(self.status),
            contains=self.contains,
            regex=self.regex,
            json=JsonWanted(wanted.path, wanted.equals) if wanted else None,
            digest=self.digest.lower() if self.digest else None,
            body=self.body,
            user=self.user,
            password_file=self.password_file,
            redirects=self.redirects,
            http2=self.http2,
            tls=tls,
        )


class HttpCheck(HttpKeys):
    """The target answers an HTTP request with a wanted status, and body where asked."""

    type: Literal["http"] = "http"

    def probe(self) -> HttpProbe:
        return self.http_probe(None)


class HttpsCheck(HttpKeys, TlsKeys):
    """As http, inside TLS."""

    type: Literal["https"] = "https"

    def mistakes(self) -> Iterator[CheckMistake]:
        yield from super().mistakes()
        if self.host is not None and self.sni is None and not _names_server(self.host):
            yield CheckMistake("host", f"{self.host!r} is not a server name", "say which as sni")

    def probe(self) -> HttpProbe:
        return self.http_probe(self.tls_options())


def _names_server(host: str) -> bool:
    """Whether a Host header, with a port or without, says a name or an address."""
    try:
        parts = urlsplit(f"//{host}")
        name = parts.hostname if parts.port != 0 else None
    except ValueError:
        return False
    if name is None or parts.netloc != host or parts.username is not None:
        return False
    return ":" in name or re.fullmatch(LABELS, name) is not None
