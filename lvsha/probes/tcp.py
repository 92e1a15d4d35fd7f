"""The `tcp` check: the target accepts a connection and, where asked, answers as expected."""

from __future__ import annotations

from collections.abc import Callable

from lvsha.core.plan import Check
from lvsha.core.probes import TcpProbe
from lvsha.errors import DeadlineError, ProbeError
from lvsha.probes.connection import Connection, connect, target
from lvsha.probes.engine import Attempt
from lvsha.probes.faults import excerpt

EXPECT_LIMIT = 16 * 1024
"""Bytes received in which the expected must stand."""


def tcp(check: Check) -> Attempt:
    """An attempt connects, says what is to be said, and closes once it has heard enough."""
    spec = check.probe
    assert isinstance(spec, TcpProbe)
    where = target(check)
    found, wanted = _expectation(spec)

    async def attempt() -> str:
        connection = await connect(where)
        try:
            if spec.send:
                await connection.send(spec.send)
            if found is not None:
                await _hear(connection, found, wanted)
                return f"got {wanted}"
        finally:
            connection.close()
        return "connected"

    return attempt


def _expectation(spec: TcpProbe) -> tuple[Callable[[bytes], object] | None, str]:
    """What tells whether it is there, and how a message names it."""
    expect = spec.expect
    if expect is not None:
        return (lambda data: expect in data), f'"{excerpt(expect)}"'
    if spec.expect_regex is not None:
        from lvsha.probes.body import pattern

        return pattern(spec.expect_regex).search, f'a match of "{spec.expect_regex}"'
    return None, ""


async def _hear(connection: Connection, found: Callable[[bytes], object], wanted: str) -> None:
    """Receive until it is there. ProbeError says what came instead."""
    data = b""
    while not found(data):
        got = f'got "{excerpt(data)}"' if data else "got nothing"
        if len(data) >= EXPECT_LIMIT:
            raise ProbeError(f"wanted {wanted} in the first {EXPECT_LIMIT // 1024} KiB, {got}")
        try:
            more = await connection.receive(f"waiting for {wanted}")
        except DeadlineError as error:
            raise ProbeError(f"{error}, {got}") from None
        if not more:
            raise ProbeError(f"connection closed, wanted {wanted}, {got}")
        data += more
