"""Real servers for checks, started from their packages' programs: on loopback, unprivileged."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

PATIENCE = 60
"""Seconds for a server to start or stop on a busy machine."""

DIRECTORIES = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"


def program(name: str, package: str = "", path: str = DIRECTORIES) -> str:
    """Where a program is; skips the test where its package is not installed."""
    found = shutil.which(name, path=path)
    if found is None:
        pytest.skip(f"{package or name} is not installed")
    return found


def unprivileged(directory: Path) -> dict[str, object]:
    """What makes subprocess start something as nobody, who gets the directory."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    for path in [directory, *directory.rglob("*")]:
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    traversable(directory)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def traversable(directory: Path) -> None:
    """Let others than root reach what is in it."""
    for path in [directory, *directory.parents]:
        if path.stat().st_mode & 0o011 != 0o011:
            path.chmod(path.stat().st_mode | 0o011)


def free_port() -> int:
    """A port nobody listens on, over TCP and UDP."""
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        port: int = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        return port


@contextmanager
def private_server(command: str, options: str, directory: Path) -> Iterator[int]:
    """The server's port, once it accepts connections; `{port}`, `{directory}` stand in options."""
    port = free_port()
    words = options.format(port=port, directory=directory).split()
    with running([command, *words], directory) as process:
        wait_until_accepting(port, process)
        yield port


@contextmanager
def running(
    command: list[str], directory: Path, identity: Mapping[str, object] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program in its directory, as nobody or as said; its output is in `log` there."""
    identity = unprivileged(directory) if identity is None else identity
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=directory,
            start_new_session=True,
            **identity,  # type: ignore[call-overload]
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until_accepting(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until somebody accepts connections there, or fail with what the program wrote."""
    for _ in range(PATIENCE * 20):
        if process.poll() is not None:
            break
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    log = Path(f"/proc/{process.pid}/cwd/log")
    text = log.read_text(errors="replace") if log.exists() else ""
    pytest.fail(f"{process.args} does not accept connections: {text[-2000:]}")
