"""The numbers in files, looked at when inotify tells of them."""

from __future__ import annotations

import ctypes
import os
import re
import stat
import struct
from collections import defaultdict
from typing import Any

IN_NONBLOCK, IN_CLOEXEC = 0o4000, 0o2000000
IN_WATCHED = 0x08 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800
# CLOSE_WRITE MOVED_FROM MOVED_TO CREATE DELETE DELETE_SELF MOVE_SELF
_EVENT = struct.Struct("=iIII")

_NUMBER = re.compile(rb"\s*([+-]?[0-9]{1,9})(?![0-9])")
_LONGEST = 1024


class Files:
    """The number in each file, by inotify on the directories and a look now and then."""

    def __init__(self) -> None:
        self.paths: frozenset[str] = frozenset()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = self._libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC)
        self._directories: dict[str, int] = {}

    @property
    def is_told(self) -> bool:
        """Not where the machine has no inotify left: containers share a few of them with all."""
        return self.fileno() >= 0

    def fileno(self) -> int:
        return int(self._inotify)

    def watch(self) -> None:
        """See to it that every directory that is there is watched; repeating it is harmless."""
        before, self._directories = self._directories, {}
        for directory in {os.path.dirname(path) for path in self.paths} if self.is_told else ():
            found = self._libc.inotify_add_watch(self._inotify, os.fsencode(directory), IN_WATCHED)
            if found >= 0:
                self._directories[directory] = found
        # Not only of directories nobody asks for: one may have been moved, another be in its place.
        for gone in set(before.values()) - set(self._directories.values()):
            self._libc.inotify_rm_watch(self._inotify, gone)

    def changed(self) -> frozenset[str]:
        """The files that the kernel's news are about; a directory's own change: all in it."""
        try:
            data = os.read(self._inotify, 65536)
        except BlockingIOError:
            return frozenset()
        names: defaultdict[int, set[str]] = defaultdict(set)
        offset = 0
        while offset + _EVENT.size <= len(data):
            descriptor, _, _, length = _EVENT.unpack_from(data, offset)
            offset += _EVENT.size
            name = data[offset : offset + length].split(b"\0", 1)[0]
            names[descriptor].add(os.fsdecode(name))
            offset += length
        return frozenset(path for path in self.paths if self._concerns(path, names))

    def _concerns(self, path: str, names: dict[int, set[str]]) -> bool:
        directory, name = os.path.split(path)
        told = names.get(self._directories.get(directory, -2), set())
        return name in told or "" in told or -1 in names


def read_number(path: str) -> dict[str, Any]:
    """The number a file begins with; a missing or empty one is 0."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return {"value": 0}
    except OSError as error:
        return {"fault": os.strerror(error.errno or 0).lower()}
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return {"fault": "is not a regular file"}
        data = os.read(fd, _LONGEST)
    except OSError as error:
        return {"fault": os.strerror(error.errno or 0).lower()}
    finally:
        os.close(fd)
    if not data.strip():
        return {"value": 0}
    match = _NUMBER.match(data)
    return {"value": int(match[1])} if match else {"fault": "does not begin with a number"}
