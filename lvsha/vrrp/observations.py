"""What the VRRP process notices about itself and its peers: lateness, and what not to repeat."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

WINDOW = 1024
"""Advertisements the lateness quantiles are taken over."""

QUIET_TIME = 60.0
"""Seconds before the same thing is said again."""


class Lateness:
    """Seconds between when an advertisement was due and when it had left, over a sliding window."""

    def __init__(self) -> None:
        self._samples: deque[float] = deque(maxlen=WINDOW)

    def add(self, seconds: float) -> None:
        self._samples.append(seconds)

    def quantiles(self) -> dict[str, float]:
        """By name: median, 99th percentile, maximum. Empty before the first advertisement."""
        if not self._samples:
            return {}
        ordered = sorted(self._samples)
        last = len(ordered) - 1
        return {name: ordered[round(float(name) * last)] for name in ("0.5", "0.99", "1")}


SUBJECTS = 64
"""Different things said in a minute; whatever comes beyond is not said at all."""


class OncePerMinute:
    """Lets each subject through once a minute, so that a flood of packets is no flood of lines."""

    def __init__(self) -> None:
        self._said: dict[Hashable, float] = {}

    def allows(self, subject: Hashable, now: float) -> bool:
        if now - self._said.get(subject, -QUIET_TIME) < QUIET_TIME:
            return False
        if len(self._said) >= SUBJECTS:
            self._said = {other: at for other, at in self._said.items() if now - at < QUIET_TIME}
        if len(self._said) >= SUBJECTS:
            return False
        self._said[subject] = now
        return True
