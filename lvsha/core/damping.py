"""A server that flaps is held down: after so many changes in a window, for some time.

Laws of this file: only changes between up and down count, and none while the server is held; a
server let go starts with a clean record. Times are seconds of any one clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from lvsha.core.health import Health, Measured
from lvsha.core.plan import Damping


@dataclass(frozen=True, slots=True)
class Record:
    """The changes of a server that still count, oldest first, or until when it is held."""

    changes: tuple[float, ...] = ()
    held_until: float | None = None


def noted(damping: Damping, record: Record, old: Measured, new: Measured, now: float) -> Record:
    """The record after what the checks say went from `old` to `new`."""
    if record.held_until is not None or {old, new} != {Measured.UP, Measured.DOWN}:
        return record
    recent = (at for at in (*record.changes, now) if at > now - damping.window)
    changes = tuple(recent)
    if len(changes) >= damping.transitions:
        return Record(held_until=now + damping.hold)
    return Record(changes)


def held(damping: Damping, record: Record, found: Health, since: float, now: float) -> Health:
    """What is believed of a server that is held: down `since` then, whatever was found."""
    left = max(0.0, (record.held_until or now) - now)
    message = (
        f"held down for {left:.0f} s more after {damping.transitions} changes "
        f"in {damping.window:g} s; {found.message}"
    )
    return Health(Measured.DOWN, 0, since, message, found.advice)
