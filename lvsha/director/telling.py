"""What changes of services and of the table are called in the log: one line a transition."""

from __future__ import annotations

from collections.abc import Sequence

from lvsha.core import diff
from lvsha.core.balance import ServiceState, Tally
from lvsha.core.commands import TableCommand, tally
from lvsha.core.health import Health, Measured
from lvsha.core.ipvsadm.lines import save_line
from lvsha.core.plan import Damping, RealServer, VirtualService
from lvsha.core.types import ServiceEntry
from lvsha.runtime.logs import log

LINES_LOGGED = 20
"""Repaired lines shown in one log line; a flushed table has thousands."""


def tell_change(
    service: VirtualService, was: ServiceState, now: ServiceState, tallies: Sequence[Tally]
) -> None:
    """Say what became different."""
    if now.quorum_held != was.quorum_held:
        _tell_quorum(service, now.quorum_held, tallies[0].alive_weight)
    if now.tier != was.tier:
        write = log.warning if now.tier else log.info
        write("service.tier", service=service.name, old=was.tier, new=now.tier)
    if now.panic != was.panic:
        _tell_panic(service, now.panic, tallies[now.tier])


def tell_verdict(
    service: VirtualService, server: RealServer, old: Health, new: Health, elapsed: float
) -> None:
    """Say what is believed of a server now. `elapsed` in seconds, of the probe that decided."""
    (log.warning if new.measured is Measured.DOWN else log.info)(
        "health.changed",
        service=service.name,
        server=str(server),
        old=old.measured.value,
        new=new.measured.value,
        reason=new.message,
        elapsed_ms=round(elapsed * 1000, 1),
    )


def tell_damped(service: VirtualService, server: RealServer, damping: Damping) -> None:
    """Say that a server flaps and is held down."""
    log.warning(
        "health.damped",
        service=service.name,
        server=str(server),
        transitions=damping.transitions,
        window=damping.window,
        hold=damping.hold,
    )


def tell_applied(done: Sequence[TableCommand], elapsed: float) -> None:
    """Say what the kernel was told. `elapsed` in seconds, up to its last acknowledgement."""
    log.info("ipvs.applied", **tally(done), elapsed_ms=round(elapsed * 1000, 3))


def difference(believed: ServiceEntry | None, actual: ServiceEntry | None) -> list[str]:
    """What somebody did to a service, as the ipvsadm lines that would do it."""
    if actual is None:
        return ["the service was gone"]
    if believed is None:
        return ["the service was there"]
    lines = [save_line(command) for command in diff.service_commands(actual, believed)]
    return lines[:LINES_LOGGED]


def _tell_quorum(service: VirtualService, held: bool, alive_weight: int) -> None:
    (log.info if held else log.error)(
        "service.state",
        service=service.name,
        old="DOWN" if held else "UP",
        new="UP" if held else "DOWN",
        alive_weight=alive_weight,
        quorum=service.quorum,
    )


def _tell_panic(service: VirtualService, panic: bool, found: Tally) -> None:
    note = "so many are down that the checks are doubted: none is taken out"
    (log.error if panic else log.info)(
        "service.panic",
        service=service.name,
        panic=panic,
        down=found.down,
        servers=found.servers,
        threshold=service.panic_threshold,
        note=note if panic else "servers that are down are taken out again",
    )
