"""Checks of databases, mail and name servers against the servers themselves."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lvsha.core.health import Outcome
from lvsha.core.probes import DnsProbe, MysqlProbe, PostgresProbe, Probe, SmtpProbe
from tests.private_server import (
    free_port,
    private_server,
    program,
    running,
    traversable,
    unprivileged,
    wait_until_accepting,
)
from tests.shell.targets import probe

pytestmark = [pytest.mark.long, pytest.mark.timeout(180)]
POSTGRES = os.pathsep.join(str(each) for each in sorted(Path("/usr/lib/postgresql").glob("*/bin")))
TABLES = ["system_tables", "performance_tables", "system_tables_data"]
ZONE = """\
$TTL 60
@ SOA ns hostmaster 1 60 60 60 60
@ NS ns
ns A 127.0.0.1
www A 192.0.2.7
www A 192.0.2.8
"""
NAMED = """\
options {{
  directory "{directory}"; pid-file none; session-keyfile none; recursion no;
  listen-on {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; managed-keys-directory "{directory}";
}};
controls {{ }};
zone "example.test" {{ type primary; file "zone"; }};
"""
MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = {directory}/maillog
maillog_file_prefixes = {directory}
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
"""
MASTER_CF = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""


def _done(command: list[str], directory: Path, stdin: str = "") -> None:
    """A command as nobody, to its end."""
    subprocess.run(
        command,
        cwd=directory,
        input=stdin,
        text=True,
        check=True,
        capture_output=True,
        timeout=120,
        **unprivileged(directory),  # type: ignore[call-overload]
    )


async def _passes(spec: Probe, port: int, words: str) -> None:
    """Ten times."""
    for _ in range(10):
        result = await probe(spec, port, timeout=10)
        assert (result.outcome, result.message.startswith(words)) == (Outcome.PASS, True), result


async def test_mariadb_passes_and_has_nothing_to_complain_of(tmp_path: Path) -> None:
    """No connection of ours counts as aborted: enough of those lock a client out."""
    server = program("mariadbd", "mariadb-server-core")
    data = tmp_path / "data"
    data.mkdir()
    tables = [Path("/usr/share/mysql", f"mysql_{name}.sql").read_text() for name in TABLES]
    bootstrap = [server, "--no-defaults", "--bootstrap", f"--datadir={data}"]
    _done(bootstrap, tmp_path, "\n".join(["create database mysql;", "use mysql;", *tables]))
    options = (
        "--no-defaults --datadir={directory}/data --socket={directory}/socket --port={port}"
        " --bind-address=127.0.0.1 --pid-file={directory}/pid --log-warnings=4"
        " --innodb-buffer-pool-size=8M"
    )
    with private_server(server, options, tmp_path) as port:
        await _passes(MysqlProbe(), port, "MySQL ")
        log = (tmp_path / "log").read_text()
    assert log.count("Access denied for user 'lvsha'") == 10
    assert log.count("Aborted connection") <= 1  # by whoever waited for the port
    assert (await probe(MysqlProbe(), port)).message == "connection refused"


async def test_postgresql_passes_and_has_nothing_to_complain_of(tmp_path: Path) -> None:
    """With a password wanted, and with none: no line in its log comes from us."""
    initdb = program("initdb", "postgresql", POSTGRES)
    server = program("postgres", "postgresql", POSTGRES)
    (tmp_path / "password").write_text("secret\n")
    data = tmp_path / "data"
    password = f"--pwfile={tmp_path}/password"
    _done([initdb, "-D", str(data), "-U", "lvsha", "-A", "scram-sha-256", password], tmp_path)
    options = "-D {directory}/data -p {port} -h 127.0.0.1 -k {directory}"
    with private_server(server, options, tmp_path) as port:
        before = _ready(tmp_path / "log")
        await _passes(PostgresProbe(), port, "PostgreSQL takes connections in ")
        assert (tmp_path / "log").read_text() == before
    hba = data / "pg_hba.conf"
    hba.write_text("host all all 127.0.0.1/32 trust\n")
    with private_server(server, options, tmp_path) as port:
        before = _ready(tmp_path / "log")
        await _passes(PostgresProbe(), port, "PostgreSQL takes connections in ")
        assert (tmp_path / "log").read_text() == before
    assert (await probe(PostgresProbe(), port)).message == "connection refused"


def _ready(log: Path) -> str:
    """What a PostgreSQL has written until it is ready; the port was open before."""
    for _ in range(600):
        if "ready to accept connections" in (text := log.read_text()):
            return text
        time.sleep(0.05)
    pytest.fail(f"PostgreSQL was never ready: {log.read_text()}")


def _taken(port: int, start: bytes) -> socket.socket:
    """The only connection there is, as soon as whoever waited for the port has left it."""
    for _ in range(100):
        holder = socket.create_connection(("127.0.0.1", port))
        holder.sendall(start)
        if holder.recv(1) == b"R":
            return holder
        holder.close()
        time.sleep(0.05)
    pytest.fail("PostgreSQL never had a place for us")


async def test_a_postgresql_with_no_place_left_fails(tmp_path: Path) -> None:
    """Too many clients: alive, but no use to anybody."""
    initdb = program("initdb", "postgresql", POSTGRES)
    server = program("postgres", "postgresql", POSTGRES)
    data = tmp_path / "data"
    _done([initdb, "-D", str(data), "-U", "lvsha", "-A", "trust", "--no-sync"], tmp_path)
    options = (
        "-D {directory}/data -p {port} -h 127.0.0.1 -k {directory}"
        " -c max_connections=1 -c superuser_reserved_connections=0 -c max_wal_senders=0"
    )
    words = b"user\0lvsha\0database\0postgres\0\0"
    start = (8 + len(words)).to_bytes(4, "big") + (3 << 16).to_bytes(4, "big") + words
    with private_server(server, options, tmp_path) as port, _taken(port, start):
        result = await probe(PostgresProbe(), port, timeout=10)
    assert result.outcome is Outcome.FAIL
    assert result.message == ("refused by PostgreSQL: sorry, too many clients already (53300)")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_bind_answers_as_expected(tmp_path: Path, transport: str) -> None:
    """An authoritative server: its zone passes, others are refused."""
    server = program("named", "bind9")
    (tmp_path / "zone").write_text(ZONE)
    (tmp_path / "conf").write_text(NAMED.format(directory=tmp_path))
    with private_server(server, "-g -n 1 -c {directory}/conf -p {port}", tmp_path) as port:
        right = DnsProbe("www.example.test", "A", ("192.0.2.8",), transport)
        await _passes(right, port, "answered A 192.0.2.8 in ")
        await _passes(DnsProbe("example.test", transport=transport), port, "answered without")
        wrong = await probe(DnsProbe("www.example.test", "A", ("192.0.2.9",), transport), port)
        other = await probe(DnsProbe(transport=transport), port)
    assert wrong.message in {
        "answered A 192.0.2.7, 192.0.2.8, wanted 192.0.2.9",
        "answered A 192.0.2.8, 192.0.2.7, wanted 192.0.2.9",
    }
    assert other.message == "answered REFUSED"


@contextmanager
def postfix(directory: Path) -> Iterator[int]:
    """A Postfix of our own; it begins as root and gives that up by itself."""
    if os.geteuid() != 0:
        pytest.skip("postfix needs root to start")
    port = free_port()
    control = program("postfix", "postfix")
    master = program("master", "postfix", "/usr/lib/postfix/sbin")
    traversable(directory)
    (directory / "queue").mkdir()
    (directory / "data").mkdir()
    shutil.chown(directory / "data", "postfix")
    (directory / "main.cf").write_text(MAIN_CF.format(directory=directory))
    (directory / "master.cf").write_text(MASTER_CF.format(port=port))
    subprocess.run([control, "-c", directory, "check"], check=True, capture_output=True)
    with running([master, "-c", str(directory), "-s"], directory, {}) as process:
        wait_until_accepting(port, process)
        yield port


async def test_postfix_passes(tmp_path: Path) -> None:
    """And notes each of our sessions as one in order: EHLO, QUIT, nothing lost."""
    with postfix(tmp_path) as port:
        await _passes(SmtpProbe("lb1.example"), port, "SMTP 250 in ")
        log = (tmp_path / "maillog").read_text()
    assert log.count("ehlo=1 quit=1 commands=2") == 10
    assert log.count("lost connection") == log.count("lost connection after CONNECT")
