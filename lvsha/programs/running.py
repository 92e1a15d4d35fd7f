"""Running other people's programs, through a process that does nothing else (`spawner`)."""

from __future__ import annotations

import atexit
import socket
from functools import cache

from lvsha.programs import spawner
from lvsha.programs.launch import PATH, launch

ANSWER_LIMIT = spawner.REQUEST_LIMIT

__all__ = ["ANSWER_LIMIT", "PATH", "start"]


def start(message: bytes) -> socket.socket:
    """Where the answer to a request (`spawner`) will arrive, once; closing it ends the program.

    OSError when this machine has no room for one more.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        try:
            _send(message, theirs)
        except OSError:
            ours.close()
            raise
    ours.setblocking(False)
    return ours


def _send(message: bytes, theirs: socket.socket) -> None:
    try:
        socket.send_fds(_control(), [message], [theirs.fileno()])
    except ConnectionError:  # somebody has killed it
        _control().close()
        _control.cache_clear()
        socket.send_fds(_control(), [message], [theirs.fileno()])


@cache
def _control() -> socket.socket:
    """The socket of a running spawner; it ends when this process does."""
    control = launch(spawner)
    atexit.register(control.close)
    return control
