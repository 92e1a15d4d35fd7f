"""250 virtual routers on one node, beside as many of keepalived's: what they cost, how steady.

Each pair is on a segment of its own, and heard from a third machine there.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from bench.ear import Advert, beyond, lateness
from bench.figures import Figure, at_most, spread
from bench.pairs import FIRST, MAKES, Pair, pairs, vrrp_of
from bench.processes import cpu_seconds, memory

ROUTERS = 250
PAUSE = 0.05
"""Seconds between two times of reading what has arrived."""


def figures() -> list[Figure]:
    """Those of a tenth of a second, which take a third of a core, one make after the other."""
    return [*at(1.0, 20, *MAKES), *(row for make in MAKES for row in at(0.1, 25, make))]


def at(interval: float, seconds: float, *makes: str) -> list[Figure]:
    with pairs(ROUTERS, interval, *makes) as found:
        watches = [Watch(pair) for pair in found]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(PAUSE)
            for watch in watches:
                watch.hear()
        return [row for watch in watches for row in watch.rows()]


class Watch:
    """What the processes that do VRRP cost from now on, and when they advertise."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._pids = [vrrp_of(node) for node in (pair.first, pair.second)]
        self._adverts: list[Advert] = []
        pair.ear.hear()
        self._spent = self._cpu()
        self._began = time.monotonic()

    def hear(self) -> None:
        """What has arrived, before there is no room for more."""
        self._adverts += [each for each in self._pair.ear.hear() if isinstance(each, Advert)]

    def rows(self) -> Iterator[Figure]:
        """Of lvsha the first is a target: a node that is not master is silent."""
        took, spent = time.monotonic() - self._began, self._cpu()
        make, interval = self._pair.make, self._pair.interval
        strangers = sum(advert.source != FIRST for advert in self._adverts)
        what = f"{ROUTERS} routers at {interval:g} s, {make}: advertisements of the backup"
        if make == "lvsha":
            yield at_most(what, strangers, 0, "{:.0f}")
            expected = ROUTERS * (took - PAUSE) / interval
            assert len(self._adverts) > 0.98 * expected, f"{len(self._adverts)} of {expected:.0f}"
        else:
            yield Figure(what, f"{strangers}")
        cpu = [(after - before) / took for before, after in zip(self._spent, spent, strict=True)]
        yield Figure("  CPU of master and backup", " and ".join(f"{each:.1%}" for each in cpu))
        rss = [memory(pid).rss / 1e6 for pid in self._pids]
        yield Figure("  RSS of master and backup", " and ".join(f"{each:.1f} MB" for each in rss))
        yield Figure("  advertisements after their time, p50 / p99 / max", self._said(lateness))
        yield Figure("  time between two, beyond the interval", self._said(beyond))

    def _cpu(self) -> list[float]:
        return [cpu_seconds(pid) for pid in self._pids]

    def _said(self, of: Callable[[Sequence[float], float], list[float]]) -> str:
        """Of all routers, each by itself."""
        times: dict[int, list[float]] = defaultdict(list)
        for advert in self._adverts:
            if advert.source == FIRST:
                times[advert.virtual_router_id].append(advert.at)
        samples = [each for one in times.values() for each in of(one, self._pair.interval)]
        return spread(samples)
