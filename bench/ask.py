"""`python -m bench.ask SOCKET PATH`: seconds and bytes of one answer from a control socket."""

from __future__ import annotations

import json
import socket
import sys
import time


def main() -> None:
    path, what = sys.argv[1:]
    began = time.monotonic()
    answer = ask(path, what)
    servers = answer.count(b'"kernel_error"') + answer.count(b"lvsha_server_up{")
    print(json.dumps({"seconds": time.monotonic() - began, "servers": servers, "of": len(answer)}))


def ask(path: str, what: str) -> bytes:
    """The whole answer, which must be a good one."""
    with socket.socket(socket.AF_UNIX) as end:
        end.settimeout(30)
        end.connect(path)
        end.sendall(f"GET {what} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: end.recv(1 << 20), b""))
    assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
    return answer


if __name__ == "__main__":
    main()
