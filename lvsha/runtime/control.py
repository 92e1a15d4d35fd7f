"""Talks to a running daemon over its control socket: HTTP on a Unix socket."""

from __future__ import annotations

import fcntl
import http.client
import json
import socket
from pathlib import Path
from typing import Any

from lvsha.errors import HostError

RUNTIME_ROOT = Path("/run/lvsha")
"""Each daemon has a directory of its cluster's name in it, unless told otherwise."""

SOCKET_NAME = "control.sock"
LOCK_NAME = "lock"
"""Held by the supervisor for as long as it lives."""

_TIMEOUT = 30.0
"""Seconds for one exchange: a reload of tens of thousands of servers takes a few."""


def socket_path(runtime_dir: Path) -> Path:
    return runtime_dir / SOCKET_NAME


def get(runtime_dir: Path, path: str) -> Any:
    """The JSON a GET answers with. HostError when no daemon answers there, or it fails."""
    status, answer = _exchange(runtime_dir, "GET", path)
    if status != 200:
        raise HostError(f"the daemon on {runtime_dir} answers {path} with {status}: {answer}")
    return answer


def post(runtime_dir: Path, path: str) -> tuple[int, Any]:
    """HTTP status and JSON of a POST. HostError when no daemon answers there."""
    return _exchange(runtime_dir, "POST", path)


def is_locked(runtime_dir: Path) -> bool:
    """Whether a supervisor has this directory, its director answering or not."""
    try:
        with (runtime_dir / LOCK_NAME).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _exchange(runtime_dir: Path, method: str, path: str) -> tuple[int, Any]:
    connection = _UnixConnection(socket_path(runtime_dir))
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        raise _absent(runtime_dir) from None
    except PermissionError:
        raise HostError(f"{socket_path(runtime_dir)}: permission denied, try as root") from None
    except TimeoutError:
        raise HostError(f"the daemon on {runtime_dir} gives no answer in {_TIMEOUT:g} s") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise HostError(f"the daemon on {runtime_dir} gives no answer: {error}") from None
    finally:
        connection.close()


def _absent(runtime_dir: Path) -> HostError:
    if is_locked(runtime_dir):
        return HostError(f"the daemon on {runtime_dir} is starting or restarting: try again")
    return HostError(f"no daemon is running on {runtime_dir}")


class _UnixConnection(http.client.HTTPConnection):
    """The standard client over a Unix socket; the library offers no other way than this."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT)
        self.sock.connect(str(self._path))
