"""A small process that watches files and other processes, for a VRRP process in a hurry.

Run as a file; it imports nothing of lvsha. On its standard input, a socket, it takes what to
watch, one JSON object a packet, the last one counting; there it answers with a packet for each
file and process once, and again whenever it changes. A hanging file system holds up nobody else.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import re
import select
import socket
import stat
import struct
import time
from collections import defaultdict
from typing import Any

REQUEST_LIMIT = 64 * 1024
RECHECK = 5.0
"""Seconds after which everything is looked at again, whatever was told."""

SCAN = 1.0
"""Seconds between looks at all processes where the kernel does not tell."""

IN_NONBLOCK, IN_CLOEXEC = 0o4000, 0o2000000
IN_WATCHED = 0x08 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800
# CLOSE_WRITE MOVED_FROM MOVED_TO CREATE DELETE DELETE_SELF MOVE_SELF
_EVENT = struct.Struct("=iIII")

NETLINK_CONNECTOR, CN_IDX_PROC, PROC_CN_MCAST_LISTEN = 11, 1, 1
FORK, EXEC, COMM, EXIT = 0x1, 0x2, 0x200, 0x80000000  # linux/cn_proc.h
SO_RCVBUFFORCE = 33

_NUMBER = re.compile(rb"\s*([+-]?[0-9]{1,9})(?![0-9])")
_LONGEST = 1024
_NAME = 15
"""Characters the kernel keeps of a process's name."""


class Files:
    """The number in each file, by inotify on the directories and a look now and then."""

    def __init__(self) -> None:
        self.paths: frozenset[str] = frozenset()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._inotify = self._libc.inotify_init1(IN_NONBLOCK | IN_CLOEXEC)
        self._directories: dict[str, int] = {}

    def fileno(self) -> int:
        return int(self._inotify)

    def watch(self) -> None:
        """See to it that every directory that is there is watched; repeating it is harmless."""
        wanted = {os.path.dirname(path) for path in self.paths}
        for gone in self._directories.keys() - wanted:
            self._libc.inotify_rm_watch(self._inotify, self._directories.pop(gone))
        for directory in wanted:
            found = self._libc.inotify_add_watch(self._inotify, os.fsencode(directory), IN_WATCHED)
            self._directories[directory] = found
            if found < 0:
                del self._directories[directory]

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


class Processes:
    """How many processes of each name run."""

    def __init__(self) -> None:
        self.names: frozenset[str] = frozenset()
        self._pids: dict[int, str] = {}
        self._connector = connector()

    @property
    def is_told(self) -> bool:
        """The kernel tells of every fork, exec and exit: no need to look all the time."""
        return self._connector is not None

    def fileno(self) -> int:
        return self._connector.fileno() if self._connector else -1

    def scan(self) -> None:
        """Look at all processes."""
        self._pids = {}
        if self.names:
            for entry in os.listdir("/proc"):
                if entry.isdecimal():
                    self._look(int(entry))

    def hear(self) -> None:
        """Take in what the kernel tells; all is looked at again where it lost something."""
        assert self._connector is not None
        for _ in range(256):
            try:
                data = self._connector.recv(1024)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    self.scan()
                continue
            self._heed(data[36:])  # past nlmsghdr and cn_msg

    def counts(self) -> dict[str, int]:
        running = list(self._pids.values())
        return {name: running.count(name) for name in self.names}

    def _heed(self, event: bytes) -> None:
        """A proc_event (linux/cn_proc.h): what, cpu, time, then pids of what it is about."""
        if len(event) < 32:
            return
        what = struct.unpack_from("=I", event)[0]
        pid, group, child, child_group = struct.unpack_from("=IIII", event, 16)
        if what == FORK:  # the parent's two, then the child's
            if group in self._pids and child == child_group:
                self._pids[child_group] = self._pids[group]
        elif what == EXIT:
            if pid == group:
                self._pids.pop(group, None)
        elif what in (EXEC, COMM):
            self._look(group)

    def _look(self, pid: int) -> None:
        self._pids.pop(pid, None)
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                text = file.read(512)
        except OSError:
            return
        name = text[text.find(b"(") + 1 : text.rfind(b")")].decode(errors="replace")
        state = text[text.rfind(b")") + 2 :][:1]
        if state in b"ZX":
            return
        for wanted in self.names:
            if wanted == name or (len(wanted) > _NAME and wanted == whole_name(pid, name)):
                self._pids[pid] = wanted


def whole_name(pid: int, name: str) -> str:
    """A process's name where the kernel has cut it off."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:
        first = file.read(4096).split(b"\0", 1)[0].decode(errors="replace")
        return os.path.basename(first)
    return name


def connector() -> socket.socket | None:
    """The kernel's news about processes; None where we are not let."""
    try:
        end = socket.socket(
            socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, NETLINK_CONNECTOR
        )
    except OSError:
        return None
    try:
        with contextlib.suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20)
        end.bind((0, CN_IDX_PROC))
        order = struct.pack("=IIIIHHI", CN_IDX_PROC, 1, 0, 0, 4, 0, PROC_CN_MCAST_LISTEN)
        end.send(struct.pack("=IHHII", 16 + len(order), 3, 0, 0, 0) + order)
        if not select.select([end], [], [], 0.2)[0]:
            raise OSError  # noqa: TRY301 in a namespace of its own the kernel does not answer
    except OSError:
        end.close()
        return None
    return end


class Watcher:
    """Everything watched, and what was last told of it."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._files = Files()
        self._processes: Processes | None = None
        self._told: dict[tuple[str, str], dict[str, Any]] = {}
        self._scan_due = self._recheck_due = 0.0

    def serve(self) -> None:
        """Until standard input ends."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._files, select.POLLIN)
        while True:
            ready = {fd for fd, _ in poll.poll(max(0.0, self._wait()) * 1000)}
            if self._control.fileno() in ready:
                if not self._take():
                    return
                if self._processes and self._processes.is_told:
                    poll.register(self._processes, select.POLLIN)
            if self._files.fileno() in ready:
                self._tell_files(self._files.changed())
            if self._processes and self._processes.fileno() in ready:
                self._processes.hear()
                self._tell_processes()
            self._look_when_due()

    def _wait(self) -> float:
        scanning = self._processes and self._processes.names and not self._processes.is_told
        due = min(self._recheck_due, self._scan_due) if scanning else self._recheck_due
        return due - time.monotonic()

    def _take(self) -> bool:
        try:
            data = self._control.recv(REQUEST_LIMIT)
        except ConnectionError:
            return False
        if not data:
            return False
        wanted = json.loads(data)
        self._files.paths = frozenset(wanted["files"])
        names = frozenset(wanted["processes"])
        if names and self._processes is None:
            self._processes = Processes()
        if self._processes is not None:
            self._processes.names = names
        self._told = {}
        self._recheck_due = self._scan_due = 0.0
        return True

    def _look_when_due(self) -> None:
        now = time.monotonic()
        if now >= self._recheck_due:
            self._files.watch()
            self._tell_files(self._files.paths)
            self._recheck_due, self._scan_due = now + RECHECK, 0.0
        if now >= self._scan_due and self._processes is not None:
            if not self._processes.is_told or self._scan_due == 0.0:
                self._processes.scan()
                self._tell_processes()
            took = time.monotonic() - now
            self._scan_due = now + max(SCAN, 20 * took)

    def _tell_files(self, paths: frozenset[str]) -> None:
        for path in paths:
            self._tell("file", path, read_number(path))

    def _tell_processes(self) -> None:
        assert self._processes is not None
        for name, count in self._processes.counts().items():
            self._tell("process", name, {"count": count})

    def _tell(self, kind: str, name: str, found: dict[str, Any]) -> None:
        if self._told.get((kind, name)) != found:
            self._told[kind, name] = found
            self._control.send(json.dumps({"kind": kind, "name": name, **found}).encode())


def main() -> None:
    """Serve the socket on standard input."""
    control = socket.socket(fileno=os.dup(0))
    control.setblocking(True)
    with contextlib.suppress(ConnectionError, BrokenPipeError):
        Watcher(control).serve()


if __name__ == "__main__":
    main()
