"""A small file in the runtime directory whose contents outlive the director.

Where the directory takes no writing the balancing goes on; what may be lost is said once.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from lvsha.runtime.logs import log


class StateFile:
    """One JSON value on disk, replaced whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._complaint = ""

    def load(self) -> Any:
        """What was saved last; None where there is nothing that can be read."""
        try:
            return json.loads(self._path.read_text())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self.reject(error)
            return None

    def reject(self, error: Exception) -> None:
        """Say that what is saved is no good."""
        reason = str(error) or type(error).__name__
        log.error("state.unreadable", file=str(self._path), error=reason)

    def save(self, value: Any) -> None:
        draft = self._path.with_suffix(".tmp")
        try:
            with draft.open("w") as file:
                json.dump(value, file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
        except OSError as error:
            self._complain(error.strerror or str(error))
        else:
            self._complaint = ""

    def _complain(self, reason: str) -> None:
        if reason != self._complaint:
            log.error("state.unwritable", file=str(self._path), error=reason)
        self._complaint = reason
