"""What a health check asks of its target: one frozen specification per type of check.

`str` of each is how `lvsha check` names it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class TcpProbe:
    """The target accepts a TCP connection."""

    def __str__(self) -> str:
        return "tcp"


@dataclass(frozen=True, slots=True)
class HttpProbe:
    """The target answers an HTTP/1.1 request with a wanted status, and body where asked.

    `status` is inclusive ranges; `host` None means the target's own address; `contains` is text
    that must stand in the body.
    """

    path: str = "/"
    host: str | None = None
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    status: tuple[tuple[int, int], ...] = ((200, 299),)
    contains: str | None = None

    def __str__(self) -> str:
        return f"http {self.method} {self.path}"


Probe: TypeAlias = (
    TcpProbe
    | HttpProbe
)  # fmt: skip
