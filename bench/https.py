"""What an HTTPS check costs with its session resumed, beside the least, measured in the same run.

The floor is one blocking socket after the other through Python's own ssl, the session resumed: no
schedule, no parser, no deadline. The server is nginx, on loopback and from its binary.
"""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from bench.figures import Figure, at_most
from lvsha.core.plan import Check
from lvsha.core.probes import HttpProbe, TlsOptions
from lvsha.director.checker import Checkers
from lvsha.probes import Prober

HOST = "127.0.0.1"
PORT = 19_443
RATE = 200
SECONDS = 6
REQUEST = f"GET / HTTP/1.1\r\nHost: {HOST}:{PORT}\r\nConnection: close\r\n\r\n".encode()
MAKE_CERTIFICATE = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
    f"-subj /CN=bench -addext subjectAltName=IP:{HOST} -keyout key.pem -out cert.pem"
)
CONFIGURATION = f"""
daemon off; master_process off; pid pid; user root; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
    access_log off; client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f;
    uwsgi_temp_path u; scgi_temp_path s;
    server {{
        listen {HOST}:{PORT} ssl; ssl_protocols TLSv1.3;
        ssl_certificate cert.pem; ssl_certificate_key key.pem;
        location / {{ return 200 "ok\\n"; }}
    }}
}}
"""


def figures() -> list[Figure]:
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if program is None:
        return [Figure("HTTPS checks", "not measured: nginx is not installed")]
    with TemporaryDirectory() as folder, server(program, Path(folder)) as authority:
        before = floor(authority)
        ours = uvloop.run(paced(TlsOptions(ca=authority)))
        floors = (before, floor(authority))
        words = f"{ours * 1e6:.0f} µs, {floors[0] * 1e6:.0f} and {floors[1] * 1e6:.0f} µs"
        ratio = 2 * ours / sum(floors)
        return [
            at_most("HTTPS checks, resumed: CPU over the floor's", ratio, 2, "{:.2f} times"),
            Figure("  a check, and the floor before and after", words),
        ]


@contextmanager
def server(program: str, folder: Path) -> Iterator[str]:
    """nginx in TLS; gives the file of the authority to believe."""
    subprocess.run(MAKE_CERTIFICATE.split(), cwd=folder, check=True, capture_output=True)
    (folder / "nginx.conf").write_text(CONFIGURATION)
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    with subprocess.Popen(command) as process:
        try:
            _wait(process)
            yield str(folder / "cert.pem")
        finally:
            process.terminate()


def _wait(process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            return socket.create_connection((HOST, PORT), timeout=1).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
    raise RuntimeError("nginx did not start")


async def paced(tls: TlsOptions) -> float:
    """CPU seconds a check of Checkers at RATE takes, after a first round."""
    probes = [HttpProbe(path=f"/{number}", tls=tls) for number in range(RATE)]
    checks = [Check(probe, ip_address(HOST), PORT, interval=1) for probe in probes]
    checkers = Checkers(Prober(), lambda *_: None)
    checkers.update(checks)
    await asyncio.sleep(2)
    counters = checkers.counters
    began, before = time.process_time(), counters.passed
    await asyncio.sleep(SECONDS)
    cpu, done = time.process_time() - began, counters.passed - before
    assert counters.failed == counters.inconclusive == 0, counters
    await checkers.close()
    return cpu / done


def floor(authority: str) -> float:
    """CPU seconds of one check, done with as little as possible."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority)
    session = None
    count = RATE * SECONDS // 2
    cpu = time.process_time()
    for _ in range(count):
        with (
            socket.create_connection((HOST, PORT)) as sock,
            context.wrap_socket(sock, server_hostname=HOST, session=session) as secured,
        ):
            secured.send(REQUEST)
            assert secured.recv(4096).startswith(b"HTTP/1.1 200")
            session = session or secured.session
    return (time.process_time() - cpu) / count
