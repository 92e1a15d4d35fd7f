"""The `redis` check against Redis, and database checks against servers that refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from lvsha.core.health import Outcome
from lvsha.core.probes import MysqlProbe, PostgresProbe, RedisProbe
from tests.private_server import private_server, program
from tests.shell.targets import Handler, probe, serving

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE
REDIS = "--port {port} --bind 127.0.0.1 --save '' --appendonly no --dir {directory}"


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A Redis without password; its port."""
    with private_server(program("redis-server"), REDIS, tmp_path_factory.mktemp("redis")) as port:
        yield port


@pytest.fixture(scope="module")
def locked_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A Redis whose password is `pass word`, as far as a command line can say it; its port."""
    directory = tmp_path_factory.mktemp("locked-redis")
    (directory / "conf").write_text('requirepass "pass word"\n')
    with private_server(program("redis-server"), f"conf {REDIS}", directory) as port:
        yield port


async def test_redis_says_pong(redis: int) -> None:
    result = await probe(RedisProbe(), redis)
    assert result.outcome is PASS
    assert result.message.startswith("PONG in ")


async def test_redis_with_a_password_wants_it(locked_redis: int, tmp_path: Path) -> None:
    """The file is read at every probe: a new password needs no reload."""
    path = tmp_path / "password"
    spec = RedisProbe(str(path))
    assert (await probe(RedisProbe(), locked_redis)).message == (
        "redis refused PING: NOAUTH Authentication required."
    )
    assert (await probe(spec, locked_redis)).message == (
        f"this machine: password file {path}: no such file or directory"
    )
    path.write_text("wrong\n")
    result = await probe(spec, locked_redis)
    assert result.outcome is FAIL
    assert result.message.startswith("redis refused AUTH: WRONGPASS ")
    path.write_text("pass word\nsecond line\n")
    assert (await probe(spec, locked_redis)).outcome is PASS
    path.write_text("\n")
    result = await probe(spec, locked_redis)
    assert (result.outcome, result.message) == (
        INCONCLUSIVE,
        f"this machine: password file {path}: the first line is empty",
    )


async def test_a_redis_that_loads_its_data_is_down() -> None:
    async with serving(answering(b"-LOADING Redis is loading the dataset in memory\r\n")) as port:
        result = await probe(RedisProbe(), port)
    assert result.message == "redis refused PING: LOADING Redis is loading the dataset in memory"


def answering(*answers: bytes, greeting: bytes = b"") -> Handler:
    """Greets and answers each thing it hears with the next answer; then listens."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        for answer in answers:
            await reader.read(4096)
            writer.write(answer)
            await writer.drain()
        await reader.read()

    return handle


def packet(number: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([number]) + payload


def mysql_error(number: int, code: int, text: bytes) -> bytes:
    return packet(number, b"\xff" + code.to_bytes(2, "little") + text)


GREETING = packet(0, b"\x0a8.4.0\0" + bytes(60))


@pytest.mark.parametrize(
    ("greeting", "answers", "outcome", "message"),
    [
        (GREETING, [mysql_error(2, 1045, b"#28000Access denied")], PASS, "MySQL 8.4.0 in "),
        (GREETING, [packet(2, b"\0\0\0\2\0\0\0")], PASS, "MySQL 8.4.0 in "),
        (
            GREETING,
            [packet(2, b"\xfecaching_sha2_password\0"), mysql_error(4, 1045, b"#28000no")],
            PASS,
            "MySQL 8.4.0 in ",
        ),
        (
            mysql_error(0, 1040, b"Too many connections"),
            [],
            FAIL,
            "refused by MySQL: Too many connections (1040)",
        ),
        (
            GREETING,
            [mysql_error(2, 1053, b"#08S01Server shutdown in progress")],
            FAIL,
            "refused by MySQL: Server shutdown in progress (1053)",
        ),
        (GREETING[:30], [], FAIL, "timed out after 200 ms while waiting for the greeting"),
        (GREETING, [], FAIL, "timed out after 200 ms while logging in"),
        (GREETING, [GREETING], FAIL, r'not a MySQL packet: "C\x00\x00\x00" while logging in'),
    ],
)
async def test_what_a_mysql_answers_is_judged(
    greeting: bytes, answers: list[bytes], outcome: Outcome, message: str
) -> None:
    """A refused login is a good sign, other errors are not."""
    async with serving(answering(*answers, greeting=greeting)) as port:
        result = await probe(MysqlProbe(), port, timeout=0.2)
    assert result.outcome is outcome
    assert result.message.startswith(message)


def postgres_error(state: bytes, text: bytes) -> bytes:
    body = b"SFATAL\0VFATAL\0C" + state + b"\0M" + text + b"\0\0"
    return b"E" + (len(body) + 4).to_bytes(4, "big") + body


@pytest.mark.parametrize(
    ("answer", "outcome", "message"),
    [
        (b"R\0\0\0\x08\0\0\0\x05", PASS, "PostgreSQL takes connections in "),
        (postgres_error(b"28000", b"no pg_hba.conf entry"), PASS, "PostgreSQL takes connections"),
        (postgres_error(b"3D000", b"no such database"), PASS, "PostgreSQL takes connections in "),
        (
            postgres_error(b"57P03", b"the database system is starting up"),
            FAIL,
            "refused by PostgreSQL: the database system is starting up (57P03)",
        ),
        (
            postgres_error(b"53300", b"sorry, too many clients already"),
            FAIL,
            "refused by PostgreSQL: sorry, too many clients already (53300)",
        ),
        (b"E\0\0\0\x08oops", FAIL, "refused by PostgreSQL:  ()"),
        (b"S", FAIL, "timed out after 200 ms while waiting for the answer"),
    ],
)
async def test_what_a_postgres_answers_is_judged(
    answer: bytes, outcome: Outcome, message: str
) -> None:
    """Being asked who we are, or refused for it, is a good sign."""
    async with serving(answering(answer)) as port:
        result = await probe(PostgresProbe(), port, timeout=0.2)
    assert result.outcome is outcome
    assert result.message.startswith(message)
