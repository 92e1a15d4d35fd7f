"""A real nginx on loopback, started from its binary for the tests alone."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection

import pytest

from tests.shell.certificates import NAME, certificates
from tests.shell.targets import unused_port

_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
_SITE = """
        add_header X-Session $ssl_session_reused always;
        root {root};
        location = /ok {{ return 200 "hello world\\n"; }}
        location = /fail {{ return 500 "no\\n"; }}
        location = /json {{ return 200 '{{"status": "ok", "parts": [{{"up": true}}]}}'; }}
        location = /moved {{ return 302 /ok; }}
        location = /away {{ return 301 http://other.example.org/ok; }}
        location = /loop {{ return 302 /loop; }}
        location = /private {{
            auth_basic "x"; auth_basic_user_file {root}/users; try_files /big =404;
        }}
        location = /posted {{
            if ($request_method != POST) {{ return 405; }}
            return 200 $content_length;
        }}
"""


@dataclass(frozen=True)
class Nginx:
    """Ports of one site: HTTP/1.1, HTTP/2, both in TLS 1.3, HTTP/1.1 in TLS 1.2.

    The last wants our certificate.
    """

    http: int
    h2c: int
    https: int
    client: int
    log: Path


@contextmanager
def nginx(folder: Path) -> Iterator[Nginx]:
    """Skips the test where nginx is not installed."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        pytest.skip("needs nginx: apt-get install nginx-light")
    ports = Nginx(*(unused_port() for _ in range(4)), folder / "access.log")
    folder.chmod(0o755)
    (folder / "big").write_bytes(b"x" * 3_000_000)
    (folder / "users").write_text("probe:{PLAIN}p\u00e4ss word\n")
    (folder / "nginx.conf").write_text(_configuration(folder, ports))
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    errors = folder / "error.log"
    with errors.open("wb") as stderr, subprocess.Popen(command, stderr=stderr) as process:
        try:
            _wait(process, ports.http, errors)
            yield ports
        finally:
            process.terminate()


def _configuration(folder: Path, ports: Nginx) -> str:
    temporary = "".join(f"{each}_temp_path {folder}/{each};\n" for each in _TEMPORARY)
    site = _SITE.format(root=folder)
    tls = f"ssl_certificate {certificates().server}; ssl_certificate_key {certificates().server};"
    wants = f"ssl_verify_client on; ssl_client_certificate {certificates().ca};"
    return f"""
daemon off; master_process off; worker_processes 1; user root; pid {folder}/pid;
events {{ worker_connections 200; }}
http {{
    {temporary}
    log_format kind '$server_protocol $ssl_session_reused $ssl_server_name $status';
    access_log {ports.log} kind;
    server {{ listen 127.0.0.1:{ports.http}; server_name {NAME}; {site} }}
    server {{ listen 127.0.0.1:{ports.h2c} http2; server_name {NAME}; {site} }}
    server {{ listen 127.0.0.1:{ports.https} ssl http2; server_name {NAME};
        ssl_protocols TLSv1.3; {tls} {site} }}
    server {{ listen 127.0.0.1:{ports.client} ssl; server_name {NAME};
        ssl_protocols TLSv1.2; {tls} {wants} {site} }}
}}
"""


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(500):
        if process.poll() is not None:
            break
        try:
            create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise RuntimeError(f"nginx did not start: {log.read_text()}")
