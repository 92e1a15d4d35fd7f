"""runtime: logs that wait for nobody, a channel that survives garbage, tasks that say why."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
import os
import queue
import socket
import subprocess
import sys
import time

import pytest

from lvsha.core.messages import Processes, ReloadDone, Stop, to_line
from lvsha.runtime import channel as channel_module
from lvsha.runtime import logs, sdnotify
from lvsha.runtime.channel import Channel, GarbageError
from lvsha.runtime.logs import DroppingQueueHandler, JsonFormatter, TextFormatter
from lvsha.runtime.slices import sliced
from lvsha.runtime.tasks import run_until_first_ends, spawn


def record(event: str, name: str = "lvsha", **fields):
    found = logging.LogRecord(name, logging.INFO, "", 0, event, (), None)
    found.fields = fields
    return found


@pytest.fixture
def quiet():
    """The loggers as they were."""
    logger = logging.getLogger("lvsha")
    kept = (logger.handlers[:], logger.level, logger.propagate, logging.raiseExceptions)
    yield
    logger.handlers[:], logger.level, logger.propagate, logging.raiseExceptions = kept


def test_a_json_line_begins_with_the_five_and_carries_anything() -> None:
    formatter = JsonFormatter({"cluster": "c", "node": "n"})
    line = formatter.format(record("a.b", text='two\nlines "quoted"', odd={1, 2}, none=None))
    assert "\n" not in line
    found = json.loads(line)
    assert list(found) == ["ts", "level", "event", "cluster", "node", "text", "odd", "none"]


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "a\rb", 'a "b"', "", "a b"])
def test_text_for_a_terminal_never_commands_it(text: str) -> None:
    line = TextFormatter().format(record("a.b", said=text))
    assert line.isprintable()
    assert json.loads(line.split("said=")[1]) == text


def test_lines_that_find_the_queue_full_are_counted_and_told_once_a_minute() -> None:
    records: queue.Queue = queue.Queue(2)
    handler = DroppingQueueHandler(records)
    for _ in range(5):
        handler.handle(record("a.b"))
    assert handler.dropped == 3
    while not records.empty():
        records.get()
    handler.handle(record("a.b"))
    told = [records.get() for _ in range(records.qsize())]
    assert [each.getMessage() for each in told] == ["a.b", "log.dropped"]
    assert told[1].fields == {"lines": 3}
    for _ in range(4):
        handler.handle(record("a.b"))
    records.get()
    handler.handle(record("a.b"))
    assert records.qsize() == 2  # two more were dropped, but the minute is not over


@pytest.mark.usefixtures("quiet")
def test_everything_is_written_at_the_end_and_drops_are_told() -> None:
    stream = io.StringIO()
    writer = logs.start({"cluster": "c", "node": "n"}, stream)
    for number in range(1000):
        logs.log.info("a.b", number=number)
    writer.stop()
    assert len(stream.getvalue().splitlines()) == 1000


@pytest.mark.usefixtures("quiet")
def test_what_a_library_says_is_a_line_like_all_others() -> None:
    stream = io.StringIO()
    writer = logs.start({"cluster": "c", "node": "n"}, stream)
    try:
        int("odd")
    except ValueError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved\nfuture: x")
    writer.stop()
    (line,) = stream.getvalue().splitlines()
    found = json.loads(line)
    assert (found["event"], found["library"]) == ("library.message", "asyncio")
    assert found["error"].startswith("ValueError: invalid literal")


CRASH = """\
import sys
from lvsha.cli import children
def broken(*_):
    raise RuntimeError("two\\nlines")
children._become = broken
children.main(["director", "--channel-fd", "9", "--cluster", "c", "--node", "n"])
"""


def test_a_child_that_crashes_says_so_in_one_line() -> None:
    argv = [sys.executable, "-c", CRASH]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    found = json.loads(line)
    assert (found["event"], found["level"], found["process"]) == (
        "process.failed",
        "critical",
        "director",
    )
    assert found["error"] == "RuntimeError: two lines"
    assert found["where"].startswith("children.py:")
    env = os.environ | {"LVSHA_TRACEBACK": "1"}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=50, check=False, env=env)
    assert "Traceback" in done.stderr


@pytest.fixture
async def ends():
    """Both ends of a channel."""
    one, other = [await Channel.open(end) for end in socket.socketpair()]
    yield one, other
    for end in (one, other):
        end._writer.transport.abort()
    await asyncio.sleep(0)


async def hear(channel: Channel) -> list:
    return [message async for message in channel.messages()]


async def test_messages_arrive_in_order_the_long_ones_too(ends) -> None:
    one, other = ends
    sent = [Processes(1, 2, 3), ReloadDone(1, 2, "x" * 200_000), Stop()]
    for message in sent:
        one.send(message)
    one.close()
    assert await hear(other) == sent


async def test_a_long_message_that_is_no_plan_sets_nothing_aside_from_collection(ends) -> None:
    """The status of many routers comes every other second: garbage has to go all the same."""
    one, other = ends
    before = gc.get_freeze_count()
    one.send(ReloadDone(1, 2, "x" * 200_000))
    one.close()
    assert len(await hear(other)) == 1
    assert gc.get_freeze_count() == before
    assert gc.isenabled()


@pytest.mark.parametrize(
    "line",
    [
        b"hello\n",
        b"{}\n",
        b'{"type": "Nothing"}\n',
        b"[1]\n",
        b"\xff\n",
        b'{"type": "Processes"}\n',
        b"[" * 100_000 + b"\n",
        b'"' + b"x" * 100_000 + b'"\n',
        b"null\n",
    ],
    ids=range(9),
)
async def test_what_is_no_message_is_garbage_and_shown_short(ends, line: bytes) -> None:
    one, other = ends
    one._writer.write(line)
    one.close()
    with pytest.raises(GarbageError, match=r"^channel: not a message: ") as error:
        await hear(other)
    assert len(str(error.value)) < 200


async def test_a_line_without_end_is_garbage(monkeypatch) -> None:
    monkeypatch.setattr(channel_module, "LINE_LIMIT", 1000)
    one, other = [await Channel.open(end) for end in socket.socketpair()]
    one._writer.write(b"x" * 5000)
    with pytest.raises(GarbageError, match=r"^channel: a line longer than 1000 bytes$"):
        await hear(other)
    for end in (one, other):
        end._writer.transport.abort()
    await asyncio.sleep(0)


async def test_a_message_cut_short_is_the_end(ends) -> None:
    one, other = ends
    one._writer.write(to_line(Stop())[:-1])
    one.close()
    assert await hear(other) == []


async def test_a_peer_that_takes_nothing_in_is_given_up(monkeypatch) -> None:
    monkeypatch.setattr(channel_module, "LINE_LIMIT", 100_000)
    one, silent = socket.socketpair()
    channel = await Channel.open(one)
    for _ in range(20_000):
        channel.send(Processes(1, 2, 3))
    assert channel._writer.is_closing()
    silent.close()
    await asyncio.sleep(0)


async def test_the_error_that_ends_a_process_names_its_task() -> None:
    async def fail() -> None:
        raise RuntimeError("no")

    with pytest.raises(RuntimeError) as error:
        await run_until_first_ends({"one": asyncio.sleep(60), "other": fail()})
    assert logs.describe(error.value) == "RuntimeError: no, in task other"


async def test_a_background_task_that_fails_is_one_line(caplog) -> None:
    async def fail() -> None:
        raise RuntimeError("no")

    task = spawn("x", fail())
    await asyncio.wait([task])
    await asyncio.sleep(0)
    (said,) = [each.fields for each in caplog.records if each.getMessage() == "task.failed"]
    assert said == {"task": "x", "error": "RuntimeError: no"}


async def test_long_work_lets_others_in() -> None:
    turns = []

    async def other() -> None:
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    async for _ in sliced(range(20)):
        time.sleep(0.001)
    task.cancel()
    assert len(turns) >= 2


def test_only_the_process_systemd_watches_feeds_its_watchdog(monkeypatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    assert sdnotify.watchdog_interval() == 15.0
    monkeypatch.setenv("WATCHDOG_PID", "1")
    assert sdnotify.watchdog_interval() is None
