"""The request of an `http` check, and the one a redirect makes of it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeAlias
from urllib.parse import SplitResult, urljoin, urlsplit

from lvsha import __version__
from lvsha.core.probes import HttpProbe
from lvsha.core.types import Address, endpoint
from lvsha.errors import ProbeError
from lvsha.probes.answer import Answer
from lvsha.probes.connection import Stream
from lvsha.probes.faults import excerpt

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_HOP_BY_HOP = frozenset(
    {"connection", "host", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"}
)
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Request:
    """A request to one target; `fields` are the operator's headers, which replace ours."""

    scheme: str
    method: str
    path: str
    host: str
    port: int
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def encoded(self) -> bytes:
        """As HTTP/1.1 (RFC 9112)."""
        lines = [f"{name}: {value}" for name, value in (*self._own(), *self.fields)]
        head = "\r\n".join([f"{self.method} {self.path} HTTP/1.1", *lines, "", ""])
        return head.encode() + self.body

    def header_list(self) -> list[tuple[str, str]]:
        """As HTTP/2 (RFC 9113 §8.3.1): no field of the connection, names in lower case."""
        fields = [(name.lower(), value) for name, value in (*self._own(), *self.fields)]
        authority = next(value for name, value in fields if name == "host")
        return [
            (":method", self.method),
            (":scheme", self.scheme),
            (":authority", authority),
            (":path", self.path),
            *(field for field in fields if field[0] not in _HOP_BY_HOP),
        ]

    def authorised(self, user: str, password: bytes) -> Request:
        """With basic authentication (RFC 7617)."""
        secret = b64encode(user.encode() + b":" + password).decode()
        return replace(self, fields=(*self.fields, ("Authorization", f"Basic {secret}")))

    def redirected(self, status: int, location: str) -> Request:
        """The request that follows a redirect (RFC 9110 §15.4). ProbeError where it leads away.

        A check is about its target: a redirect is followed to the same scheme, host and port.
        """
        here = f"{self.scheme}://{self.host}{self.path}"
        try:
            there = urlsplit(urljoin(here, location))
            followed = self._same_place(there)
        except ValueError:
            followed = False
        if not followed:
            place = excerpt(location.encode())
            raise ProbeError(f'HTTP {status} leads to another place: "{place}"')
        path = there.path or "/"
        path += f"?{there.query}" if there.query else ""
        if status == 303 or (status in (301, 302) and self.method == "POST"):
            method = "HEAD" if self.method == "HEAD" else "GET"
            return replace(self, path=path, method=method, body=b"")
        return replace(self, path=path)

    def _same_place(self, there: SplitResult) -> bool:
        ours = urlsplit(f"//{self.host}")
        default = _PORTS[self.scheme]
        return (
            there.scheme == self.scheme
            and there.hostname == ours.hostname
            and (there.port or default) in (ours.port or default, self.port)
            and there.path.isascii()
            and there.path.isprintable()
        )

    def _own(self) -> list[tuple[str, str]]:
        own = [("Host", self.host), ("User-Agent", f"lvsha/{__version__}"), ("Connection", "close")]
        if self.body or self.method in _WITH_BODY:
            own.append(("Content-Length", str(len(self.body))))  # RFC 9110 §8.6
        theirs = {name.lower() for name, _ in self.fields}
        return [(name, value) for name, value in own if name.lower() not in theirs]


Exchange: TypeAlias = Callable[[Stream, Answer], Awaitable[None]]
"""One request and its answer on a connection, until the verdict is certain. Raises ProbeError."""


def first_request(spec: HttpProbe, address: Address, port: int) -> Request:
    """What a check asks first."""
    scheme = "https" if spec.tls else "http"
    return Request(
        scheme,
        spec.method,
        spec.path,
        spec.host or _authority(address, port, _PORTS[scheme]),
        port,
        spec.headers,
        (spec.body or "").encode(),
    )


def _authority(address: Address, port: int, default: int) -> str:
    text = endpoint(address, port)
    return text.removesuffix(f":{port}") if port == default else text
