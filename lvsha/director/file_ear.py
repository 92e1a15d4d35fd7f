"""Hears at once when a file that checks read has changed: their interval may be long."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Set

from lvsha.programs.files import Files


class FileEar:
    """Directories with files of interest, watched together: each once, however many ask.

    Calls `tell` with the paths that changed, on the event loop it was made on. A directory that
    is not there yet is looked for at every call of `listen` and every change. Where the machine has
    no inotify left nothing is ever told.
    """

    def __init__(self, tell: Callable[[Set[str]], None]) -> None:
        self._tell = tell
        self._files = Files()
        self._loop = asyncio.get_running_loop()
        if self._files.is_told:
            self._loop.add_reader(self._files.fileno(), self._hear)

    def listen(self, paths: Set[str]) -> None:
        """Tell of these files from now on."""
        self._files.paths = frozenset(paths)
        self._files.watch()

    def close(self) -> None:
        if self._files.is_told:
            self._loop.remove_reader(self._files.fileno())
            os.close(self._files.fileno())

    def _hear(self) -> None:
        changed = self._files.changed()
        if changed:
            self._files.watch()
            self._tell(changed)
