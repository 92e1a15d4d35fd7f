"""Structured log lines that never block the process that writes them.

Contract: one JSON object a line on stderr when it is not a terminal, aligned text when it is:
`ts`, `level`, `event`, `cluster`, `node`, then the event's own fields. A full queue drops lines
and counts them; a stalled journal must not stop an advertisement.
"""

from __future__ import annotations

import json
import logging
import queue
import sys
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from typing import Any, TextIO

QUEUE_LENGTH = 10_000


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

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record  # same process: nothing to pickle, and formatting is the thread's work

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            self.dropped += 1


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, context: dict[str, str]) -> None:
        super().__init__()
        self.context = context

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "ts": timestamp(record.created),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **self.context,
            **getattr(record, "fields", {}),
        }
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """Aligned text for a person at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "fields", {})
        words = " ".join(f"{name}={_word(value)}" for name, value in fields.items())
        clock = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S.%f")[:-3]
        return f"{clock} {record.levelname.lower():<7} {record.getMessage():<18} {words}".rstrip()


def start(context: dict[str, str], stream: TextIO = sys.stderr) -> QueueListener:
    """Log from now on, `context` (cluster, node) in every line; stop() the listener at the end."""
    records: queue.Queue[logging.LogRecord] = queue.Queue(QUEUE_LENGTH)
    writer = logging.StreamHandler(stream)
    writer.setFormatter(TextFormatter() if stream.isatty() else JsonFormatter(context))
    logger = logging.getLogger("lvsha")
    logger.handlers[:] = [DroppingQueueHandler(records)]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    listener = QueueListener(records, writer)
    listener.start()
    return listener


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds, as in status and logs."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _word(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if " " in text or not text else text
