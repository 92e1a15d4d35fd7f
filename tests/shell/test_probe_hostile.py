"""Checks that speak a protocol over TCP, against servers that speak none."""

from __future__ import annotations

import pytest

from lvsha.core.health import Outcome
from lvsha.core.probes import (
    AgentProbe,
    DnsProbe,
    MysqlProbe,
    PostgresProbe,
    Probe,
    RedisProbe,
    SmtpProbe,
)
from tests.shell.hostile import closing, dripping, endless, resetting, saying
from tests.shell.targets import Handler, probe, serving, silent, unused_port

DNS = DnsProbe(transport="tcp")
PROBES: list[tuple[Probe, str]] = [
    (SmtpProbe(), "waiting for the greeting"),
    (RedisProbe(), "waiting for the answer to PING"),
    (MysqlProbe(), "waiting for the greeting"),
    (PostgresProbe(), "waiting for the answer"),
    (DNS, "waiting for the answer"),
]
HTTP = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
TLS = b"\x15\x03\x01\x00\x02\x02\x46\n"


async def failure(spec: Probe, handler: Handler, timeout: float = 2.0) -> str:
    """The words of a failed probe."""
    async with serving(handler) as port:
        result = await probe(spec, port, timeout=timeout)
    assert result.outcome is Outcome.FAIL
    return result.message


def name(spec: object) -> str:
    return type(spec).__name__ if hasattr(spec, "__slots__") else ""


@pytest.mark.parametrize(("spec", "doing"), PROBES, ids=name)
async def test_a_server_that_says_nothing_times_out(spec: Probe, doing: str) -> None:
    """The words say what was waited for."""
    assert await failure(spec, silent, 0.1) == f"timed out after 100 ms while {doing}"


@pytest.mark.parametrize(("spec", "doing"), PROBES, ids=name)
async def test_a_server_that_hangs_up_is_said_to(spec: Probe, doing: str) -> None:
    assert await failure(spec, closing) == f"connection closed while {doing}"


@pytest.mark.parametrize(("spec", "doing"), PROBES, ids=name)
async def test_a_server_that_resets_is_said_to(spec: Probe, doing: str) -> None:
    assert await failure(spec, resetting) == f"connection reset while {doing}"


@pytest.mark.parametrize(("spec", "doing"), PROBES, ids=name)
async def test_nobody_there_is_a_refused_connection(spec: Probe, doing: str) -> None:
    result = await probe(spec, unused_port())
    assert (result.outcome, result.message) == (Outcome.FAIL, "connection refused")


@pytest.mark.parametrize(
    ("spec", "data", "doing"),
    [
        (SmtpProbe(), b"220 x\r\n", "waiting for the greeting"),
        (RedisProbe(), b"+PONG\r\n", "waiting for the answer to PING"),
        (MysqlProbe(), b"\x40\0\0\0\x0a", "waiting for the greeting"),
        (PostgresProbe(), b"R\0\0\0\x08\0\0\0\x05", "waiting for the answer"),
        (DNS, b"\x00\x20\0\0\0\0\0\0\0\0", "reading the answer"),
    ],
    ids=name,
)
async def test_a_dripping_server_does_not_stretch_the_deadline(
    spec: Probe, data: bytes, doing: str
) -> None:
    """Good words, but a byte at a time: the whole has one deadline."""
    message = await failure(spec, dripping(data), 0.2)
    assert message == f"timed out after 200 ms while {doing}"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (SmtpProbe(), "a line longer than 4096 bytes while waiting for the greeting"),
        (RedisProbe(), "a line longer than 4096 bytes while waiting for the answer to PING"),
        (MysqlProbe(), 'not a MySQL packet: "aaaa" while waiting for the greeting'),
        (PostgresProbe(), 'not a PostgreSQL answer: "aaaaa"'),
        (DNS, "what came back does not answer the query"),
    ],
    ids=name,
)
async def test_endless_output_ends_the_probe(spec: Probe, message: str) -> None:
    assert await failure(spec, endless) == message


@pytest.mark.parametrize(
    ("spec", "data", "message"),
    [
        (SmtpProbe(), HTTP, 'not an SMTP answer: "HTTP/1.1 400 Bad Request"'),
        (SmtpProbe(), TLS, r'not an SMTP answer: "\x15\x03\x01\x00\x02\x02F"'),
        (
            RedisProbe(),
            HTTP,
            'PING was answered with "HTTP/1.1 400 Bad Request", wanted "+PONG"',
        ),
        (MysqlProbe(), HTTP, 'not a MySQL packet: "HTTP" while waiting for the greeting'),
        (MysqlProbe(), b"\x05\0\0\0hello", 'not a MySQL greeting: "hello"'),
        (PostgresProbe(), HTTP, 'not a PostgreSQL answer: "HTTP/"'),
        (PostgresProbe(), b"E\0\0\0\x02", r'not a PostgreSQL answer: "E\x00\x00\x00\x02"'),
        (DNS, b"\0\x05hello", "what came back does not answer the query"),
    ],
    ids=name,
)
async def test_another_protocol_is_quoted(spec: Probe, data: bytes, message: str) -> None:
    """Who reads it sees what is really there."""
    assert await failure(spec, saying(data)) == message


@pytest.mark.parametrize(
    ("handler", "reason"),
    [
        (silent, "could not be heard: timed out after 200 ms while waiting for the agent's words"),
        (
            dripping(b"up and running\n"),
            "could not be heard: timed out after 200 ms while waiting for the agent's words",
        ),
        (closing, "said nothing"),
        (
            resetting,
            "could not be heard: connection reset while waiting for the agent's words",
        ),
        (saying(HTTP), "is not understood: 'http/1.1' is not an agent's word"),
        (saying(b"\r\n"), "said nothing"),
    ],
    ids=["silent", "dripping", "closing", "resetting", "http", "empty"],
)
async def test_an_agent_that_misbehaves_says_nothing_of_its_server(
    handler: Handler, reason: str
) -> None:
    async with serving(handler) as port:
        result = await probe(AgentProbe(), port, timeout=0.2)
    assert (result.outcome, result.message) == (Outcome.INCONCLUSIVE, f"the agent {reason}")
    assert result.advice is None


async def test_an_agent_without_line_end_is_cut_off() -> None:
    async with serving(endless) as port:
        result = await probe(AgentProbe(), port)
    assert result.outcome is Outcome.INCONCLUSIVE
    assert len(result.message) < 120
