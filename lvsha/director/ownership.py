"""Which services of the kernel's table are ours: kept in the runtime directory over restarts.

A key is written here before the kernel gets it, and taken out after the kernel lost it, so a
crash in between leaves at most a claim on a service that is not there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Set
from pathlib import Path

from lvsha.core.codec import decode, encode
from lvsha.core.types import Key
from lvsha.runtime.logs import log

FILE_NAME = "owned.json"


class Ownership:
    """The set of our keys, as the file has it."""

    def __init__(self, runtime_dir: Path) -> None:
        self._path = runtime_dir / FILE_NAME
        self.keys: frozenset[Key] = self._load()

    def set(self, keys: Set[Key]) -> None:
        """Own exactly these; written before returning. OSError when it can't be written."""
        if keys == self.keys:
            return
        text = json.dumps({"services": [encode(key) for key in keys]})
        draft = self._path.with_suffix(".tmp")
        with draft.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._path)
        self.keys = frozenset(keys)

    def _load(self) -> frozenset[Key]:
        try:
            data = json.loads(self._path.read_text())
            return frozenset(decode(Key, item) for item in data["services"])
        except FileNotFoundError:
            return frozenset()
        except (OSError, KeyError, TypeError, ValueError) as error:
            log.error("ownership.unreadable", file=str(self._path), error=str(error))
            return frozenset()
