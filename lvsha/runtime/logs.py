"""Structured log lines that never block the process that writes them.

Contract: one JSON object a line on stderr when it is not a terminal, aligned text when it is:
`ts`, `level`, `event`, `cluster`, `node`, then the event's own fields. A full queue drops lines
and counts them; a stalled journal must not stop an advertisement, nor the end of the process.
What libraries log at warning or above becomes the event `library.message`.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from pathlib import Path
from typing import Any, TextIO

QUEUE_LENGTH = 10_000

STOP_TIMEOUT = 2.0
"""Seconds the last lines may take to be written before the process ends without them."""

DROPS_TOLD_EVERY = 60.0
"""Seconds between two lines about dropped lines."""

TRACEBACK = "LVSHA_TRACEBACK"
"""Environment variable: set, an unexpected error also shows its traceback."""


class Log:
    """Writes named events with fields, through the standard logger `lvsha`."""

    def __init__(self) -> None:
        self._logger = logging.getLogger("lvsha")

    def debug(self, event: str, **fields: Any) -> None:
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._write(logging.ERROR, event, fields)

    def _write(self, level: int, event: str, fields: dict[str, Any]) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, event, extra={"fields": fields})


log = Log()


class DroppingQueueHandler(QueueHandler):
    """Hands records to the writer thread; drops and counts when the queue is full."""

    def __init__(self, records: queue.Queue[logging.LogRecord]) -> None:
        super().__init__(records)
        self.dropped = 0
        self._told = 0
        self._told_at = float("-inf")

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record  # same process: nothing to pickle, and formatting is the thread's work

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1
            return
        if record.created - self._told_at >= DROPS_TOLD_EVERY:
            self.tell_drops(record.created)

    def tell_drops(self, now: float) -> None:
        """One line with how many were dropped since the last such line, if any were."""
        lines = self.dropped - self._told
        if lines:
            with suppress(queue.Full):
                self.queue.put_nowait(_record(logging.WARNING, "log.dropped", {"lines": lines}))
                self._told, self._told_at = self.dropped, now


class Writer(QueueListener):
    """The thread that writes; `stop` at the end of the process."""

    def __init__(self, handler: DroppingQueueHandler, output: logging.Handler) -> None:
        super().__init__(handler.queue, output)
        self._source = handler

    def stop(self) -> None:
        """Write what is queued, for STOP_TIMEOUT at most: nobody may be reading."""
        logging.getLogger().removeHandler(self._source)
        self._source.tell_drops(0)
        with suppress(queue.Full):
            self.queue.put(self._sentinel, timeout=STOP_TIMEOUT)  # type: ignore[attr-defined]
        if self._thread is not None:
            self._thread.join(STOP_TIMEOUT)
            self._thread = None


class DescriptorHandler(logging.Handler):
    """Writes past Python's own buffer: a thread stuck here holds no lock the end waits for."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def createLock(self) -> None:  # noqa: N802 - the library's name
        """None: a single thread writes, and logging.shutdown must not wait for it."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Without the lock, which Python 3.13 takes for granted."""
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        data = f"{self.format(record)}\n".encode(errors="backslashreplace")
        with suppress(OSError):  # nowhere left to say it
            while data:
                data = data[os.write(self._descriptor, data) :]


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, context: dict[str, str]) -> None:
        super().__init__()
        self.context = context

    def format(self, record: logging.LogRecord) -> str:
        event, fields = _event(record)
        line = {
            "ts": timestamp(record.created),
            "level": record.levelname.lower(),
            "event": event,
            **self.context,
            **fields,
        }
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """Aligned text for a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        event, fields = _event(record)
        words = " ".join(f"{name}={_word(value)}" for name, value in fields.items())
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S.%f")[:-3]
        return f"{clock} {record.levelname.lower():<7} {event:<18} {words}".rstrip()


def start(context: dict[str, str], stream: TextIO = sys.stderr) -> Writer:
    """Log from now on, `context` (cluster, node) in every line; stop() the writer at the end."""
    logging.raiseExceptions = False
    handler = DroppingQueueHandler(queue.Queue(QUEUE_LENGTH))
    logger = logging.getLogger("lvsha")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logging.getLogger().addHandler(handler)
    writer = Writer(handler, _output(context, stream))
    writer.start()
    return writer


def last_words(context: dict[str, str], process: str, error: BaseException) -> None:
    """One line on stderr about what ends this process, past the queue: its writer is gone."""
    fields = {"process": process, "error": describe(error), "where": _where(error)}
    record = _record(logging.CRITICAL, "process.failed", fields)
    _output(context, sys.stderr).emit(record)
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error)


def describe(error: BaseException) -> str:
    """An error nobody expected, in one line: its type, its text, its notes."""
    words = " ".join(str(error).split())
    notes = "".join(f", {note}" for note in getattr(error, "__notes__", ()))
    return f"{type(error).__name__}: {words}{notes}" if words else f"{type(error).__name__}{notes}"


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds, as in status and logs."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _record(level: int, event: str, fields: dict[str, Any]) -> logging.LogRecord:
    logger = logging.getLogger("lvsha")
    return logger.makeRecord("lvsha", level, "", 0, event, (), None, extra={"fields": fields})


def _event(record: logging.LogRecord) -> tuple[str, dict[str, Any]]:
    if record.name == "lvsha":
        return record.getMessage(), getattr(record, "fields", {})
    fields = {"library": record.name, "message": record.getMessage()}
    if record.exc_info and record.exc_info[1]:
        fields["error"] = describe(record.exc_info[1])
    return "library.message", fields


def _output(context: dict[str, str], stream: TextIO) -> logging.Handler:
    try:
        output: logging.Handler = DescriptorHandler(stream.fileno())
    except (OSError, ValueError):  # a stream in memory, or one that is closed
        output = logging.StreamHandler(stream)
    output.setFormatter(TextFormatter() if stream.isatty() else JsonFormatter(context))
    return output


def _where(error: BaseException) -> str:
    """The innermost place of ours: file, line, function."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "lvsha" in Path(frame.filename).parts]
    if not frames:
        return ""
    frame = (ours or frames)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno} {frame.name}"


def _word(value: object) -> str:
    """Quoted where a terminal or a reader could take it for something else."""
    text = str(value)
    plain = text and text.isprintable() and not set(text) & set(' "')
    return text if plain else json.dumps(text, ensure_ascii=not text.isprintable())
