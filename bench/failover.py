"""Fail-over of lvsha beside keepalived: the master dies or is stopped, and the other takes over.

Both pairs go by the same priorities and pace, in turns, on segments of their own. Times are the
kernel's, of frames that reach a third machine of the segment. After a crash they count from the
dead one's last advertisement, after which it is killed at once: where in its interval a master
dies is chance.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

from bench.ear import Advert, Announcement, Heard
from bench.figures import Figure, at_most
from bench.pairs import FIRST, SECOND, Pair, pairs

End: TypeAlias = Callable[[Pair], None]

TURNS = {1.0: (4, 2), 0.1: (5, 4), 0.01: (6, 5)}
"""By seconds between advertisements: crashes, and stops in order."""

SLACK = 5.0
"""Milliseconds that we may be later than keepalived."""

ALONE = 0.5
"""Seconds for which a pair has the machine to itself once its master has gone."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Seconds from the end of the master to the other's first advertisement, and to its first
    gratuitous ARP."""

    advert: float
    announcement: float


def figures() -> list[Figure]:
    found: list[Figure] = []
    for interval, (crashes, stops) in TURNS.items():
        with pairs(1, interval) as both:
            found += beside("crash", both, crashes, crash)
            found += beside("stop", both, stops, stop)
    return found


def beside(word: str, both: list[Pair], count: int, end: End) -> list[Figure]:
    turns: dict[str, list[Turn]] = {pair.make: [] for pair in both}
    for number in range(count):
        order = both if number % 2 else both[::-1]
        began = [_let_go(pair, end) for pair in order]
        for pair, at in zip(order, began, strict=True):
            turns[pair.make].append(_taken_over(pair, at, end))
        for pair in both:
            pair.revive()
        for pair in both:
            pair.settle()
    ours, theirs = (turns[pair.make] for pair in both)
    return rows(f"{word} at {both[0].interval:g} s", ours, theirs)


def crash(pair: Pair) -> None:
    """Every process of the first node killed, its link down."""
    pair.first.die()


def stop(pair: Pair) -> None:
    """As its operator does, by SIGTERM."""
    assert pair.first.stop() == 0, pair.make


def _let_go(pair: Pair, end: End) -> float:
    """End the first node as soon as it has advertised; when that was."""
    pair.ear.hear()
    *_, last = pair.ear.wait("the master", lambda each: _is_of(each, FIRST), 5)
    began = time.time()
    end(pair)
    time.sleep(min(ALONE, 4 * pair.interval + 0.1))
    return last.at if end is crash else began


def _taken_over(pair: Pair, began: float, end: End) -> Turn:
    """Wait until the second node has advertised and announced; it has the address then."""
    *before, advert = pair.ear.wait("the other", lambda each: _is_of(each, SECOND), 10)
    *_, announced = pair.ear.wait("it announced", lambda each: isinstance(each, Announcement), 5)
    assert pair.held(pair.second) == len(pair.addresses)
    if end is crash:  # it may have advertised once more before it died
        began = max([began, *(each.at for each in before if _is_of(each, FIRST))])
    return Turn(advert.at - began, announced.at - began)


def _is_of(heard: Heard, address: str) -> bool:
    return isinstance(heard, Advert) and heard.source == address


def rows(what: str, ours: Sequence[Turn], theirs: Sequence[Turn]) -> list[Figure]:
    """Both compared by median and by maximum of the time to the other's gratuitous ARP."""
    late = max(
        of([turn.announcement for turn in ours]) - of([turn.announcement for turn in theirs])
        for of in (median, max)
    )
    return [
        at_most(
            f"{what}: lvsha's announcement after keepalived's, median or maximum",
            late * 1e3,
            SLACK,
            "{:.1f} ms",
        ),
        *(
            Figure(
                f"  {make}, median / maximum of {len(turns)}; to its first advertisement",
                said(turns),
            )
            for make, turns in (("lvsha", ours), ("keepalived", theirs))
        ),
    ]


def said(turns: Sequence[Turn]) -> str:
    announced, advertised = (
        [getattr(turn, name) for turn in turns] for name in ("announcement", "advert")
    )
    return (
        f"{median(announced):.4f} / {max(announced):.4f} s; "
        f"{median(advertised):.4f} / {max(advertised):.4f} s"
    )
