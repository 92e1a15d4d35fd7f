"""Sync groups: routers that are all master on a node, or none of them is.

Laws of this file: pure functions over the members' states. A fault of one is a fault of all, and
what one tracks is tracked by all. A member whose time has come waits until it has for every other
one; where one has lost its mastership to a peer, the others let go of theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from lvsha.core.mastership import Router, State
from lvsha.core.plan import VrrpPlan
from lvsha.core.tracking import Track


class Verb(Enum):
    NOTHING = "nothing"
    TAKE_OVER = "take over"
    STEP_DOWN = "step down"


@dataclass(frozen=True, slots=True)
class Word:
    """What all members to whom it applies are to do: those that wait, or those that are master."""

    verb: Verb
    members: tuple[str, ...] = ()
    reason: str = ""


NOTHING = Word(Verb.NOTHING)


def decide(group: str, members: Mapping[str, Router]) -> Word:
    """What a group of these routers has come to."""
    lost = [name for name, router in members.items() if _has_lost(router)]
    masters = [name for name, router in members.items() if router.state is State.MASTER]
    if lost and masters:
        return Word(Verb.STEP_DOWN, tuple(masters), f"sync group {group}: {lost[0]} is not master")
    due = [name for name, router in members.items() if router.due]
    if due and len(due) + len(masters) == len(members):
        return Word(Verb.TAKE_OVER, tuple(due), f"all of sync group {group} are to be master")
    return NOTHING


def _has_lost(router: Router) -> bool:
    """Out of it, or behind a master it has heard. One that has only begun to listen is neither."""
    if router.state is State.BACKUP:
        return router.master is not None and not router.due
    return router.state is State.FAULT


def shared_faults(group: str, own: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    """By member, what the faults that others have of their own mean for it."""
    return {
        name: frozenset(
            f"sync group {group}: {other}: {fault}"
            for other, faults in own.items()
            if other != name
            for fault in faults
            if fault not in own[name]
        )
        for name in own
    }


def shared_tracks(plan: VrrpPlan) -> dict[str, tuple[Track, ...]]:
    """By router, everything that counts for it: its own tracks and those of its groups."""
    tracks = {router.name: router.tracks for router in plan.routers}
    for group in plan.sync_groups:
        together = _together([tracks[name] for name in group.routers if name in tracks])
        tracks |= {name: together for name in group.routers if name in tracks}
    return tracks


def _together(tracks: Sequence[tuple[Track, ...]]) -> tuple[Track, ...]:
    return tuple(dict.fromkeys(track for each in tracks for track in each))
