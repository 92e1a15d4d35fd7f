"""Starting one of our own small processes, with a socket as its standard input."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path
from types import ModuleType

_children: set[int] = set()
"""Started and not yet known to have ended."""

_RUN = """import sys
sys.path.append(sys.argv[1])
__import__(sys.argv[2])
sys.modules[sys.argv[2]].main()"""
"""Neither the environment nor the directory it is run in has a say in what is imported."""

_ROOT = str(Path(__file__).parents[2])

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def launch(program: ModuleType) -> socket.socket:
    """Our end of the standard input of a process that runs its `main`, at whose end it ends.

    OSError when it can't be started.
    """
    _bury()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    with theirs:
        try:
            pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", "-c", _RUN, _ROOT, program.__name__],
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
