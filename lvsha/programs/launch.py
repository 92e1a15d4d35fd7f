"""Starting one of our own small processes, with a socket as its standard input."""

from __future__ import annotations

import os
import signal
import socket
import sys

_children: set[int] = set()
"""Started and not yet known to have ended."""

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def launch(file: str) -> socket.socket:
    """Our end of its standard input, at whose end it ends. OSError when it can't be started."""
    _bury()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    with theirs:
        try:
            pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", file],
                {"PATH": PATH},
                file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)],
                setpgroup=0,  # ^C at the supervisor's terminal is not meant for it
                setsigmask=[],
                setsigdef=[signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE],
            )
        except OSError:
            ours.close()
            raise
    _children.add(pid)
    return ours


def _bury() -> None:
    """Leave no zombies of those that have ended since."""
    for pid in tuple(_children):
        try:
            ended, _ = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            ended = pid
        if ended:
            _children.discard(pid)
