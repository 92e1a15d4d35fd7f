"""The `agent` check against a plain agent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from ipaddress import ip_address

from lvsha.core.health import Admin, Advice, Outcome, ProbeResult
from lvsha.core.plan import Check
from lvsha.core.probes import AgentProbe
from lvsha.probes import Prober
from tests.shell.hostile import saying
from tests.shell.targets import probe, serving, unused_port

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE


async def _heard(lines: Iterable[bytes]) -> list[ProbeResult]:
    """What one check makes of an agent that says these lines, one a connection."""
    say = iter(lines)

    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(next(say))
        await writer.drain()
        writer.write_eof()

    results: list[ProbeResult] = []
    prober = Prober()
    async with serving(handle) as port:
        start = prober.prepare(Check(AgentProbe(), ip_address("127.0.0.1"), port))
        for _ in lines:
            result: asyncio.Future[ProbeResult] = asyncio.get_running_loop().create_future()
            start(result.set_result)
            results.append(await asyncio.wait_for(result, 5))
    prober.close()
    return results


async def test_up_and_down_decide() -> None:
    up, down = await _heard([b"up\n", b"down #disk full\n"])
    assert up.outcome is PASS
    assert up.message.startswith('the agent says "up" in ')
    assert (down.outcome, down.message) == (FAIL, 'the agent says "down #disk full"')


async def test_weight_and_administrative_state_are_advice() -> None:
    (result,) = await _heard([b"75% drain\r\nnobody reads this\n"])
    assert result.outcome is PASS
    assert result.advice == Advice(weight_percent=75, admin=Admin.DRAIN)


async def test_what_a_line_does_not_speak_of_stays() -> None:
    """A weight after `down` does not bring a server up; only `up` does."""
    results = await _heard([b"down\n", b"50%\n", b"ready\n", b"up\n", b"60%\n"])
    assert [result.outcome for result in results] == [FAIL, FAIL, FAIL, PASS, PASS]
    assert results[1].advice == Advice(weight_percent=50)


async def test_a_line_may_end_with_the_connection() -> None:
    (result,) = await _heard([b"up 10%"])
    assert (result.outcome, result.advice) == (PASS, Advice(weight_percent=10))


async def test_an_agent_that_is_not_there_is_no_failure() -> None:
    result = await probe(AgentProbe(), unused_port())
    assert result.outcome is INCONCLUSIVE
    assert result.message == "the agent could not be heard: connection refused"


async def test_the_agent_may_be_asked_first() -> None:
    """`send` leaves as it is written."""
    asked: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(b"up\n")

    async with serving(handle) as port:
        result = await probe(AgentProbe(b"status web\n"), port)
    assert result.outcome is PASS
    assert asked == [b"status web\n"]


async def test_the_rest_of_a_long_speech_is_not_waited_for() -> None:
    """The first line is the answer, though the agent keeps the connection."""
    async with serving(saying(b"drain\n")) as port:
        assert (await probe(AgentProbe(), port)).advice == Advice(admin=Admin.DRAIN)
