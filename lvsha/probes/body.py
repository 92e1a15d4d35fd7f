"""What may be wanted of an answer's body, each told of the body piece by piece.

What a server can make us hold is bounded: KEPT_LIMIT bytes where the body is kept, none where it
is searched or digested as it comes, up to BODY_LIMIT.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any, Protocol

from lvsha.core.jsonpath import NOTHING, same, steps, value_at
from lvsha.core.probes import REGEX_MEMORY, HttpProbe, JsonWanted

BODY_LIMIT = 1024 * 1024
"""Bytes of body searched for `contains` or digested."""

KEPT_LIMIT = 64 * 1024
"""Bytes of body kept for `regex` and `json`."""


class Want(Protocol):
    """One thing wanted. `settled`: more of the body cannot change what is found."""

    @property
    def settled(self) -> bool: ...

    def take(self, data: bytes) -> None: ...

    def fault(self) -> str | None:
        """Why it was not found, to stand after "HTTP 200, but"; None where it was."""


def wants(spec: HttpProbe) -> list[Want]:
    """All that a specification wants of a body."""
    found: list[Want] = []
    if spec.contains is not None:
        found.append(Contains(spec.contains))
    if spec.regex is not None:
        found.append(Matches(spec.regex))
    if spec.json is not None:
        found.append(Equals(spec.json))
    if spec.digest is not None:
        found.append(Digests(spec.digest))
    return found


@lru_cache(maxsize=256)
def pattern(text: str) -> Any:
    """A compiled pattern of RE2: checks share it, with the states it remembers."""
    import re2

    options = re2.Options()
    options.max_mem = REGEX_MEMORY
    options.log_errors = False
    return re2.compile(text.encode(), options)


class Contains:
    """Text in the body, searched as it comes."""

    __slots__ = ("_needle", "_seen", "_size", "_text", "found")

    def __init__(self, text: str) -> None:
        self._text = text
        self._needle = text.encode()
        self._seen = b""
        self._size = 0
        self.found = False

    @property
    def settled(self) -> bool:
        return self.found or self._size >= BODY_LIMIT

    def take(self, data: bytes) -> None:
        if self.settled:
            return
        self._size += len(data)
        window = self._seen + data
        self.found = self._needle in window
        self._seen = window[max(0, len(window) - len(self._needle) + 1) :]

    def fault(self) -> str | None:
        if self.found:
            return None
        return f'"{self._text}" is not in the {_extent(self._size, BODY_LIMIT)}'


class _Kept:
    """The beginning of the body."""

    __slots__ = ("body", "full")

    def __init__(self) -> None:
        self.body = bytearray()
        self.full = False

    def take(self, data: bytes) -> None:
        self.full = self.full or len(self.body) + len(data) > KEPT_LIMIT
        self.body += data[: KEPT_LIMIT - len(self.body)]


class Matches:
    """A pattern that matches somewhere in the body."""

    __slots__ = ("_kept", "_text", "take")

    def __init__(self, text: str) -> None:
        self._text = text
        self._kept = _Kept()
        self.take = self._kept.take

    @property
    def settled(self) -> bool:
        return self._kept.full

    def fault(self) -> str | None:
        body = bytes(self._kept.body)
        if pattern(self._text).search(body):
            return None
        return f'"{self._text}" does not match in the {_extent(len(body), KEPT_LIMIT)}'


class Equals:
    """A value in a JSON body."""

    __slots__ = ("_kept", "_wanted", "take")

    def __init__(self, wanted: JsonWanted) -> None:
        self._wanted = wanted
        self._kept = _Kept()
        self.take = self._kept.take

    @property
    def settled(self) -> bool:
        return self._kept.full

    def fault(self) -> str | None:
        if self._kept.full:
            return f"the body is longer than {KEPT_LIMIT // 1024} KiB, too long to be read as JSON"
        try:
            document = json.loads(self._kept.body)
        except (ValueError, RecursionError):
            return f"the body of {len(self._kept.body)} bytes is not JSON"
        wanted = self._wanted
        found = value_at(document, steps(wanted.path))
        if found is NOTHING:
            return f"the body has no {wanted.path}"
        if same(found, json.loads(wanted.equals)):
            return None
        return f"{wanted.path} is {_shown(found)}, wanted {wanted.equals}"


class Digests:
    """A digest of the whole body; MD5 is told from SHA-256 by its length."""

    __slots__ = ("_hash", "_size", "_wanted")

    def __init__(self, wanted: str) -> None:
        self._wanted = wanted
        md5 = len(wanted) == 32
        self._hash = hashlib.md5(usedforsecurity=False) if md5 else hashlib.sha256()
        self._size = 0

    @property
    def settled(self) -> bool:
        return self._size > BODY_LIMIT

    def take(self, data: bytes) -> None:
        self._size += len(data)
        self._hash.update(data)

    def fault(self) -> str | None:
        if self.settled:
            return f"the body is longer than {BODY_LIMIT // 1024} KiB, too long for a digest"
        found = self._hash.hexdigest()
        if found == self._wanted:
            return None
        return f"the body of {self._size} bytes has the digest {found}, wanted {self._wanted}"


def _extent(size: int, limit: int) -> str:
    if size >= limit:
        return f"first {limit // 1024} KiB of the body"
    return f"body of {size} bytes"


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
