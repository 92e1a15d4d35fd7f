"""A small process that runs programs, for others too big to fork or in too much of a hurry.

Run by `lvsha.programs.launch`; it imports nothing else of lvsha and little besides. On its
standard input, a socket, it takes one request a packet: JSON and a socket on which it answers,
once, when the program has ended. Whoever closes that socket ends the program, and the end of
standard input ends them all: no program outlives its deadline or its director.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import resource
import select
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

REQUEST_LIMIT = 64 * 1024
OUTPUT_LIMIT = 1024
"""Bytes of a program's output that are kept; the rest is read and forgotten."""

DESCRIPTORS = 1024
"""RLIMIT_NOFILE of a program: some close every possible one when they start."""


class Run:
    """A program under way."""

    def __init__(self, request: Mapping[str, Any], caller: socket.socket) -> None:
        self.caller = caller
        self.kept = b""
        with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
            self.output, out = pipe(ours, theirs)
            self.fault, fault = pipe(ours, theirs)
            self.pid = os.fork()
            if not self.pid:
                become(request, out, fault)
            self.pidfd = os.pidfd_open(self.pid)
            ours.callback(os.close, self.pidfd)
            self.close = ours.pop_all().close

    def read(self) -> bool:
        """Take some output. False at its end."""
        try:
            data = os.read(self.output, 65536)
        except BlockingIOError:
            return True
        self.kept = (self.kept + data)[:OUTPUT_LIMIT]
        return bool(data)

    def kill(self) -> None:
        """End the program and all of its process group."""
        for end in (os.killpg, os.kill):  # before setsid there is no group of its own
            with contextlib.suppress(OSError):
                end(self.pid, signal.SIGKILL)

    def finish(self) -> None:
        """The program has ended: what it left running goes with it, and the caller is told."""
        self.read()
        self.kill()
        _, status = os.waitpid(self.pid, 0)
        fault = self._fault()
        answer = {
            "code": os.waitstatus_to_exitcode(status),
            "output": self.kept.decode("utf-8", "replace"),
            **({"fault": fault} if fault else {}),
        }
        with contextlib.suppress(OSError):
            self.caller.send(json.dumps(answer).encode())
        self.caller.close()
        self.close()

    def _fault(self) -> str:
        with contextlib.suppress(BlockingIOError):
            return os.read(self.fault, 1024).decode("utf-8", "replace")
        return ""


def pipe(ours: contextlib.ExitStack, theirs: contextlib.ExitStack) -> tuple[int, int]:
    """Both ends of a pipe, which the stacks will close."""
    read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    ours.callback(os.close, read)
    theirs.callback(os.close, write)
    return read, write


def become(request: Mapping[str, Any], out: int, fault: int) -> NoReturn:
    """In the child: turn into the program, as its user. Says why it could not."""
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.set_blocking(out, True)
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.chdir("/")
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        doing = f"user {request['user']}"
        change_user(request["user"])
        doing = request["exec"][0]
        os.execve(doing, request["exec"], request["environment"])  # noqa: S606 no shell: that's it
    except KeyError:
        os.write(fault, f"{doing}: there is no such user".encode())
    except OSError as error:
        os.write(fault, f"{doing}: {os.strerror(error.errno or 0).lower()}".encode())
    finally:
        os._exit(127)


def change_user(name: str) -> None:
    """Be this user, with its groups. KeyError when there is none."""
    user = pwd.getpwnam(name)
    if user.pw_uid == os.geteuid():
        return
    os.setgroups(os.getgrouplist(name, user.pw_gid))
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)


class Spawner:
    """All programs under way, on one epoll."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._epoll = select.epoll()
        self._actions: dict[int, Callable[[], None]] = {}
        self._runs: set[Run] = set()
        self._watch(control.fileno(), self._accept)

    def serve(self) -> None:
        """Until standard input ends."""
        while self._control.fileno() >= 0:
            for fd, _ in self._epoll.poll(maxevents=1):  # the next may be for one just closed
                self._actions[fd]()
        for run in self._runs:
            run.kill()

    def _accept(self) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(self._control, REQUEST_LIMIT, 1)
        except ConnectionError:
            data, fds = b"", []
        if fds:
            os.set_inheritable(fds[0], False)
            self._begin(json.loads(data), socket.socket(fileno=fds[0]))
        elif not data:
            self._forget(self._control.fileno())
            self._control.close()

    def _begin(self, request: Mapping[str, Any], caller: socket.socket) -> None:
        try:
            run = Run(request, caller)
        except OSError as error:
            answer = {"fault": os.strerror(error.errno or 0).lower()}
            with contextlib.suppress(OSError):
                caller.send(json.dumps(answer).encode())
            caller.close()
            return
        self._runs.add(run)
        self._watch(run.output, lambda: self._read(run))
        self._watch(run.caller.fileno(), lambda: self._abandon(run))
        self._watch(run.pidfd, lambda: self._finish(run))

    def _read(self, run: Run) -> None:
        if not run.read():
            self._forget(run.output)

    def _abandon(self, run: Run) -> None:
        self._forget(run.caller.fileno())
        run.kill()

    def _finish(self, run: Run) -> None:
        for fd in (run.output, run.caller.fileno(), run.pidfd):
            self._forget(fd)
        self._runs.discard(run)
        run.finish()

    def _watch(self, fd: int, action: Callable[[], None]) -> None:
        self._actions[fd] = action
        self._epoll.register(fd, select.EPOLLIN)

    def _forget(self, fd: int) -> None:
        if self._actions.pop(fd, None):
            self._epoll.unregister(fd)


def main() -> None:
    """Serve the socket on standard input."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.closerange(3, hard)  # what a careless parent of our parent left open
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    Spawner(socket.socket(fileno=os.dup(0))).serve()
