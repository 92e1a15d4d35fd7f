"""What a health check asks of its target: one frozen specification per type of check.

`str` of each is how `lvsha check` names it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

REGEX_MEMORY = 1 << 20
"""Bytes RE2 may spend on one pattern; a larger one is refused."""


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """How TLS is spoken and what is asked of the certificate.

    `ca` None: the system's certificate authorities; `sni` None: the name the request has, or the
    target's address; `cert` is our own certificate, `key` None: in the same file; `min_days` is
    how long the target's certificate must still be valid.
    """

    ca: str | None = None
    verify: bool = True
    sni: str | None = None
    cert: str | None = None
    key: str | None = None
    min_days: int = 0


@dataclass(frozen=True, slots=True)
class JsonWanted:
    """A value in a JSON body: `path` as `core.jsonpath` reads it, `equals` as JSON text."""

    path: str
    equals: str


@dataclass(frozen=True, slots=True)
class TcpProbe:
    """The target accepts a connection and, where asked, answers `send` with what is expected.

    `expect` is bytes, `expect_regex` a pattern of RE2, that must stand in what is received.
    """

    send: bytes = b""
    expect: bytes | None = None
    expect_regex: str | None = None

    def __str__(self) -> str:
        return "tcp"


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """The target answers an HTTP request with a wanted status, and body where asked.

    `status` is inclusive ranges; `host` None means the target's own address; `contains` is text,
    `regex` a pattern of RE2 that must stand in the body, `digest` the MD5 or SHA-256 of it in
    hexadecimal. `password_file` goes with `user`. `redirects` is how many are followed. `tls`
    None: plain HTTP.
    """

    path: str = "/"
    host: str | None = None
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    status: tuple[tuple[int, int], ...] = ((200, 299),)
    contains: str | None = None
    regex: str | None = None
    json: JsonWanted | None = None
    digest: str | None = None
    body: str | None = None
    user: str | None = None
    password_file: str | None = None
    redirects: int = 0
    http2: bool = False
    tls: TlsOptions | None = None

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'} {self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class TlsProbe:
    """The target completes a TLS handshake with a certificate to our liking."""

    tls: TlsOptions

    def __str__(self) -> str:
        return "tls"


@dataclass(frozen=True, slots=True)
class GrpcProbe:
    """The target says SERVING of `service` (grpc.health.v1); the empty name is the whole server."""

    service: str = ""
    tls: TlsOptions | None = None

    def __str__(self) -> str:
        return f"grpc {self.service}".rstrip()


@dataclass(frozen=True, slots=True)
class UdpProbe:
    """The target answers a datagram with `expect` in it; None: no ICMP error comes back."""

    send: bytes = b""
    expect: bytes | None = None

    def __str__(self) -> str:
        return "udp"


@dataclass(frozen=True, slots=True)
class DnsProbe:
    """The target answers a query without error, and with one of `answer` where given.

    `record` is a type's name, `transport` udp or tcp; `answer` is record data as in a zone file.
    """

    name: str = "."
    record: str = "SOA"
    answer: tuple[str, ...] = ()
    transport: str = "udp"

    def __str__(self) -> str:
        return f"dns {self.record} {self.name}"


@dataclass(frozen=True, slots=True)
class SmtpProbe:
    """The target greets and takes our name; `tls`: it offers STARTTLS and keeps its word.

    `helo` None: this machine's host name.
    """

    helo: str | None = None
    tls: TlsOptions | None = None

    def __str__(self) -> str:
        return "smtp"


@dataclass(frozen=True, slots=True)
class PingProbe:
    """The target answers an ICMP echo request."""

    def __str__(self) -> str:
        return "ping"


@dataclass(frozen=True, slots=True)
class ScriptProbe:
    """A program on this machine exits with 0; `dynamic_weight`: 2 to 255 are weights 0 to 253."""

    exec: tuple[str, ...]
    user: str = "nobody"
    dynamic_weight: bool = False

    def __str__(self) -> str:
        return f"script {self.exec[0]}"


@dataclass(frozen=True, slots=True)
class FileProbe:
    """A file on this machine holds 0, or an agent's words."""

    path: str

    def __str__(self) -> str:
        return f"file {self.path}"


@dataclass(frozen=True, slots=True)
class RedisProbe:
    """The target answers PING; `password_file` holds what AUTH wants."""

    password_file: str | None = None

    def __str__(self) -> str:
        return "redis"


@dataclass(frozen=True, slots=True)
class MysqlProbe:
    """The target greets and judges a login, whatever it says of it."""

    def __str__(self) -> str:
        return "mysql"


@dataclass(frozen=True, slots=True)
class PostgresProbe:
    """The target takes a connection as far as asking who we are."""

    def __str__(self) -> str:
        return "postgres"


@dataclass(frozen=True, slots=True)
class AgentProbe:
    """An agent on the target says in HAProxy's words how it is and what it wants."""

    send: bytes = b""

    def __str__(self) -> str:
        return "agent"


Probe: TypeAlias = (
    TcpProbe
    | HttpProbe
    | TlsProbe
    | GrpcProbe
    | UdpProbe
    | DnsProbe
    | SmtpProbe
    | PingProbe
    | ScriptProbe
    | FileProbe
    | RedisProbe
    | MysqlProbe
    | PostgresProbe
    | AgentProbe
)  # fmt: skip
