"""An HTTP answer, whatever version carries it: judged as it comes.

It is complete as soon as nothing more can change the verdict: where nothing is wanted of the body
that is the end of the headers.
"""

from __future__ import annotations

from lvsha.core.probes import HttpProbe
from lvsha.errors import ProbeError, RefusalError
from lvsha.probes.body import wants

HEADER_LIMIT = 64 * 1024
"""Bytes of headers."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Answer:
    """What has been heard so far; `complete` once more cannot change the verdict.

    `reading` is true while the body matters. `location` is where a redirect that is to be
    followed leads.
    """

    __slots__ = ("_accepted", "_spec", "_wants", "complete", "location", "reading", "status")

    def __init__(self, spec: HttpProbe) -> None:
        self._spec = spec
        self._wants = wants(spec)
        self._accepted = False
        self.status = 0
        self.location: str | None = None
        self.reading = False
        self.complete = False

    @property
    def follows(self) -> bool:
        """Whether redirects are followed, and so their `Location` matters."""
        return self._spec.redirects > 0

    def headers(self, status: int, location: str | None = None) -> None:
        """The final answer's status, and its Location where it has one."""
        self.status = status
        self._accepted = any(low <= status <= high for low, high in self._spec.status)
        if status in _REDIRECTS and self.follows:
            self.location = location
        over = self.location is not None or not self._accepted or self._spec.method == "HEAD"
        self.complete = over or not self._wants
        self.reading = not self.complete

    def body(self, data: bytes) -> None:
        """Some more of the body."""
        if self.complete or not self.reading:
            return
        for want in self._wants:
            want.take(data)
        self.complete = all(want.settled for want in self._wants)

    def end(self) -> None:
        """The end of the body."""
        if self.reading:
            self.complete = True

    def verdict(self) -> str:
        """What was found. Raises ProbeError when it is not what is wanted."""
        status = self.status
        if not self._accepted:
            raise RefusalError(f"HTTP {status}, wanted {_ranges(self._spec.status)}")
        for want in self._wants:
            if (fault := want.fault()) is not None:
                raise ProbeError(f"HTTP {status}, but {fault}")
        return f"HTTP {status}"


def _ranges(status: tuple[tuple[int, int], ...]) -> str:
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in status)
