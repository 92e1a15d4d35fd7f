"""Which services of the kernel's table are ours: kept in the runtime directory over restarts.

A key is written here before the kernel gets it, and taken out after the kernel lost it, so a
crash in between leaves at most a claim on a service that is not there. Where the directory takes
no writing the balancing goes on: what may then be lost is a claim, and only with this process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Set
from contextlib import suppress
from pathlib import Path

from lvsha.core.codec import decode, encode
from lvsha.core.types import Key
from lvsha.runtime.logs import log

FILE_NAME = "owned.json"


class Ownership:
    """The set of our keys, as the file has it. Reading changes nothing."""

    def __init__(self, runtime_dir: Path) -> None:
        self._path = runtime_dir / FILE_NAME
        self._damage = ""
        self._complaint = ""
        self._written = True
        self.keys: frozenset[Key] = self._load()

    def set(self, keys: Set[Key]) -> None:
        """Own exactly these; written before returning, or else with the next call."""
        if keys == self.keys and self._written:
            return
        self.keys = frozenset(keys)
        try:
            self._set_aside()
            self._write()
        except OSError as error:
            self._complain(error)
        else:
            self._written, self._complaint = True, ""

    def _write(self) -> None:
        text = json.dumps({"services": [encode(key) for key in self.keys]})
        draft = self._path.with_suffix(".tmp")
        with draft.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)

    def _complain(self, error: OSError) -> None:
        self._written = False
        reason = error.strerror or str(error)
        if reason != self._complaint:  # said once, not at every resync
            log.error("ownership.unwritable", file=str(self._path), error=reason)
        self._complaint = reason

    def _set_aside(self) -> None:
        """Keep a file that can't be understood for whoever wants to know why."""
        if self._damage:
            kept = self._path.with_suffix(".damaged")
            log.error("ownership.unreadable", file=str(self._path), error=self._damage, kept=kept)
            with suppress(FileNotFoundError):
                self._path.replace(kept)
            self._damage = ""

    def _load(self) -> frozenset[Key]:
        try:
            data = json.loads(self._path.read_text())
            return frozenset(decode(Key, item) for item in data["services"])
        except FileNotFoundError:
            return frozenset()
        except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
            self._damage = str(error) or type(error).__name__
            self._written = False
            return frozenset()
