"""How many processes of a name there are, as the kernel's process connector tells it."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import struct

NETLINK_CONNECTOR, CN_IDX_PROC, PROC_CN_MCAST_LISTEN = 11, 1, 1
FORK, EXEC, COMM, EXIT = 0x1, 0x2, 0x200, 0x80000000  # linux/cn_proc.h
SO_RCVBUFFORCE = 33

_NAME = 15
"""Characters the kernel keeps of a process's name."""


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
