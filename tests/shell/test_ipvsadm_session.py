"""The ipvsadm look-alike on the in-memory kernel: what it does beyond ipvsadm, and how it ends."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from lvsha.cli.ipvsadm.drain import PERIOD, drain
from lvsha.cli.ipvsadm.ownership import Ownership
from lvsha.cli.ipvsadm.session import Session
from lvsha.cli.ipvsadm.streams import Streams
from lvsha.core.codec import encode
from lvsha.core.commands import AddDestination, AddService, Command, DeleteDestination
from lvsha.core.ipvsadm.lines import daemon_line
from lvsha.core.ipvsadm.names import NUMERIC
from lvsha.core.ipvsadm.request import Change
from lvsha.core.types import (
    Destination,
    DestinationKey,
    DestinationStatus,
    Forwarding,
    Protocol,
    Service,
    ServiceKey,
    SyncDaemon,
    SyncRole,
)
from lvsha.errors import HostError
from lvsha.kernel.memory import MemoryIpvs
from lvsha.kernel.ports import Ipvs

TABLE = """\
-A -t 192.0.2.10:80 -s wlc -p 300
-a -t 192.0.2.10:80 -r 10.0.0.1:8080 -m -w 5 -x 20 -y 10
-a -t 192.0.2.10:80 -r 10.0.0.2:80 -g -w 1
-A -u 192.0.2.10:53 -s rr
"""
WEB = ServiceKey(Protocol.TCP, ip_address("192.0.2.10"), 80)
ONE = DestinationKey(ip_address("10.0.0.1"), 8080)


class Console:
    """A twin of the kernel and what sessions on it print."""

    def __init__(self, directory: Path) -> None:
        self.ipvs: Ipvs = MemoryIpvs(interfaces={"lo": 65536})
        self.directory = directory
        self.sockets = directory / "unix"
        self.out = self.err = ""
        self.applied: list[Command] = []

    def run(self, line: str, stdin: str = "", *, replace: bool = False) -> int:
        out, err = io.BytesIO(), io.BytesIO()
        streams = Streams(io.BytesIO(stdin.encode()).read, out, err)
        lines = Path("/proc/net/unix").read_text().splitlines(keepends=True)
        self.sockets.write_text("".join(line for line in lines if str(self.directory) in line))
        ownership = Ownership(str(self.sockets))
        conn = str(self.directory / "ip_vs_conn")
        session = Session(lambda: self.ipvs, NUMERIC, streams, ownership, conn)
        code = session.replace_atomically() if replace else session.run(line.split())
        self.out, self.err = out.getvalue().decode(), err.getvalue().decode()
        return code


@pytest.fixture
def console(tmp_path: Path) -> Console:
    made = Console(tmp_path)
    assert made.run("-R", TABLE) == 0
    return made


def test_a_full_save_keeps_what_ipvsadm_forgets(console: Console) -> None:
    """Thresholds, timeouts and daemons come back through a plain restore."""
    console.run("--start-daemon master --mcast-interface lo --syncid 3")
    console.run("--set 100 200 300")
    assert console.run("-Sn --full") == 0
    saved = console.out
    timeouts, daemon, *_ = saved.splitlines()
    assert timeouts == "--set 100 200 300"
    assert daemon.startswith("--start-daemon master --mcast-interface lo --syncid 3 ")
    assert "-r 10.0.0.1:8080 -m -w 5 -x 20 -y 10\n" in saved
    console.ipvs = MemoryIpvs(interfaces={"lo": 65536})
    assert console.run("-R", saved) == 0
    console.run("-Sn --full")
    assert console.out == saved


def test_a_plain_save_is_ipvsadms(console: Console) -> None:
    """Thresholds are lost, as in ipvsadm."""
    console.run("-Sn")
    assert sorted(console.out.splitlines()) == sorted(
        TABLE.replace(" -x 20 -y 10", "").splitlines()
    )


def test_a_replacing_atomic_restore_changes_only_what_differs(console: Console) -> None:
    """A service that stays is never gone: nothing is flushed, two commands suffice."""
    twin, sent = console.ipvs, []

    class Watched:
        def __getattr__(self, name: str) -> object:
            return getattr(twin, name)

        def apply(self, commands: list[Command]) -> object:
            sent.extend(commands)
            return twin.apply(commands)

    console.ipvs = Watched()  # type: ignore[assignment]
    wanted = TABLE.replace("-w 5", "-w 6").replace("-A -u 192.0.2.10:53 -s rr\n", "")
    assert console.run("", wanted, replace=True) == 0
    assert [type(each).__name__ for each in sent] == ["SetDestination", "DeleteService"]
    console.run("-Sn")
    assert "-m -w 6" in console.out
    assert "-u" not in console.out


@pytest.mark.parametrize(
    ("text", "code", "complaint"),
    [
        ("-C\n-A -t 1.1.1.1:1\n-A -t nonsense\n", 2, "illegal virtual server address"),
        ("-C\n-A -q\n", 255, "-q: unknown option"),
        ("-C\n-A -t 1.1.1.1:1\n-A -t 1.1.1.1:1\n", 255, "Service already exists"),
        ("-C\n-a -t 1.1.1.1:1 -r 10.0.0.1\n", 255, "Service not defined"),
        ("-D -u 192.0.2.10:53\n-d -t 192.0.2.10:80 -r 10.0.0.9\n", 255, "No such destination"),
        ("-C\n-L\n", 2, "-L: no part of an atomic restore"),
    ],
)
def test_an_atomic_restore_with_a_mistake_changes_nothing(
    console: Console, text: str, code: int, complaint: str
) -> None:
    """All lines are judged before the first is carried out."""
    before = console.ipvs.table()
    assert console.run("-R --atomic", text) == code
    assert console.err.startswith(complaint)
    assert console.ipvs.table() == before


def test_an_atomic_restore_adds_to_the_table_that_is_there(console: Console) -> None:
    """Without replacing, its lines mean what they mean line by line."""
    text = "-A -t 192.0.2.11:80\n-a -t 192.0.2.11:80 -r 10.0.0.1\n-D -u 192.0.2.10:53\n"
    text += "--start-daemon backup --mcast-interface lo\n--set 7 0 0\n-Z\n"
    assert console.run("-R --atomic", text) == 0
    assert console.ipvs.timeouts().tcp == 7
    assert [each.role for each in console.ipvs.daemons()] == [SyncRole.BACKUP]
    assert {key.address.packed[-1] for key in console.ipvs.table()} == {10, 11}  # type: ignore[union-attr]
    assert console.run("-R --atomic", "--start-daemon backup --mcast-interface lo\n") == 0
    other = "--start-daemon backup --mcast-interface lo --syncid 9\n"
    assert console.run("-R --atomic", other) == 0
    assert [each.sync_id for each in console.ipvs.daemons()] == [9]


def test_json_listings_are_json(console: Console) -> None:
    """Every listing has its object."""
    (console.directory / "ip_vs_conn").write_text(
        "Pro FromIP FPrt ToIP TPrt DestIP DPrt State Expires\n"
        "TCP C0000205 C350 C000020A 0050 0A000001 1F90 ESTABLISHED     899\n"
    )
    for line, key in (
        ("-L --json", "virtual_services"),
        ("-L --timeout --json", "timeouts"),
        ("-L --daemon --json", "sync_daemons"),
        ("-Lc --json", "connections"),
    ):
        assert console.run(line) == 0
        assert json.loads(console.out)[key] is not None
    console.run("-L -t 192.0.2.10:80 --json")
    (service,) = json.loads(console.out)["virtual_services"]
    assert [each["port"] for each in service["real_servers"]] == [8080, 80]


@pytest.mark.parametrize("text", ["", None])
def test_connections_without_a_file_are_an_error_of_the_listing(
    console: Console, text: str | None
) -> None:
    """Exit code 1, as ipvsadm's, with its sentence."""
    path = console.directory / "ip_vs_conn"
    if text is None:
        assert console.run("-Lc") == 1
        assert console.err == f"cannot open file {path}\n"
    else:
        path.write_text("title\nTCP nonsense\n")
        assert console.run("-Lc") == 1
        assert console.err == f"unexpected input from {path}\n"


class Busy:
    """A twin whose one destination loses a connection at each look."""

    def __init__(self, connections: int) -> None:
        self.twin = MemoryIpvs()
        self.left = connections
        key = Destination(ONE, Forwarding.NAT, 5)
        self.twin.apply([AddService(Service(WEB)), AddDestination(WEB, key)])

    def destinations(self, key: ServiceKey) -> tuple[DestinationStatus, ...]:
        self.left -= 1
        return tuple(
            DestinationStatus(each.destination, max(self.left, 0))
            for each in self.twin.destinations(key)
        )


@pytest.mark.parametrize(("deadline", "waited"), [(None, 4), (1.0, 2), (0.0, 0)])
def test_a_drain_waits_for_the_last_connection_or_its_deadline(
    deadline: float | None, waited: int
) -> None:
    """Weight 0 at once, then a look every half second; the delete itself is the caller's."""
    busy, now = Busy(6), [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    change = Change(DeleteDestination(WEB, ONE), drain=True, deadline=deadline)
    drain(busy, change, busy.twin.apply, lambda: now[0], sleep)  # type: ignore[arg-type]
    assert now[0] == waited * PERIOD
    assert [each.destination.weight for each in busy.twin.destinations(WEB)] == [0]


def test_a_waiting_delete_deletes(console: Console) -> None:
    """An idle server goes at once; one that is not there is complained about as ever."""
    assert console.run("-d -t 192.0.2.10:80 -r 10.0.0.1:8080 --wait") == 0
    assert console.run("-D -t 192.0.2.10:80 --wait --deadline 5") == 0
    assert set(console.ipvs.table()) != {WEB}
    assert console.run("-D -t 192.0.2.10:80 --wait") == 255
    assert console.err == "No such service\n"


@pytest.fixture
def daemon(console: Console) -> Iterator[socket.socket]:
    """Something that listens where a running daemon of the cluster `web` would."""
    directory = console.directory / "web"
    directory.mkdir()
    (directory / "owned.json").write_text(json.dumps({"services": [encode(WEB)]}))
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(directory / "control.new"))
        end.listen()
        (directory / "control.new").rename(directory / "control.sock")
        yield end


WARNING = (
    "lvsha: TCP 192.0.2.10:80 belongs to the daemon on {}: this edit will be reconciled away\n"
)


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize(
    ("line", "stdin"),
    [
        ("-e -t 192.0.2.10:80 -r 10.0.0.2 -w 9", ""),
        ("-E -t 192.0.2.10:80 -s rr", ""),
        ("-D -t 192.0.2.10:80", ""),
        ("-C", ""),
        ("-R", "-e -t 192.0.2.10:80 -r 10.0.0.2\n-d -t 192.0.2.10:80 -r 10.0.0.2\n"),
    ],
)
def test_an_edit_of_a_running_daemons_service_is_obeyed_with_a_warning(
    console: Console, line: str, stdin: str
) -> None:
    """One line on standard error, however often the service is touched."""
    before = console.ipvs.table()
    assert console.run(line, stdin) == 0
    assert console.err == WARNING.format(console.directory / "web")
    assert console.ipvs.table() != before


def test_other_services_and_ended_daemons_warn_of_nothing(
    console: Console, daemon: socket.socket
) -> None:
    """Nor do listings."""
    console.run("-E -u 192.0.2.10:53 -s lc")
    assert console.err == ""
    console.run("-Ln")
    assert console.err == ""
    daemon.close()
    console.run("-E -t 192.0.2.10:80 -s lc")
    assert console.err == ""


def test_help_and_version_need_no_kernel(console: Console) -> None:
    """Everything else says why it cannot be, and ends with 2."""

    def nowhere() -> Ipvs:
        raise HostError("Can't initialize ipvs: Protocol not available")

    for line, code in (("-h", 0), ("-v", 0), ("-Ln", 2), ("-q", 2), ("-R", 2), ("", 2)):
        out, err = io.BytesIO(), io.BytesIO()
        streams = Streams(io.BytesIO(b"").read, out, err)
        session = Session(nowhere, NUMERIC, streams, Ownership(str(console.sockets)))
        assert session.run(line.split()) == code
        assert bool(out.getvalue()) == (code == 0)
        assert (err.getvalue() == b"Can't initialize ipvs: Protocol not available\n") == (code == 2)


def test_a_restore_acts_on_each_piece_of_input_as_it_comes(console: Console) -> None:
    """Whoever talks to it through a pipe sees each line done before writing the next."""
    seen = []
    pieces = [b"-A -f 1\n-A -f", b" 2\n", b"-A -f 3", b""]

    def read(size: int) -> bytes:
        seen.append(len(console.ipvs.table()))
        return pieces.pop(0)

    streams = Streams(read, io.BytesIO(), io.BytesIO())
    session = Session(lambda: console.ipvs, NUMERIC, streams, Ownership(str(console.sockets)))
    assert session.run(["-R"]) == 0
    assert seen == [2, 3, 4, 4]
    assert len(console.ipvs.table()) == 5


HEAVY = (
    "click",
    "pydantic",
    "asyncio",
    "logging",
    "yaml",
    "rich",
    "subprocess",
    "json",
    "argparse",
)


@pytest.mark.parametrize("entry", ["lvsha.cli.ipvsadm", "lvsha.__main__"])
def test_a_command_line_starts_without_heavy_imports(entry: str) -> None:
    """Neither the programs nor `lvsha ipvsadm` load what only the daemon needs."""
    code = (
        f"import sys, {entry}; sys.argv = ['lvsha', 'ipvsadm', '-v']\n"
        "try: sys.modules['lvsha.__main__'].main() if 'lvsha.__main__' in sys.modules else None\n"
        "except SystemExit: pass\n"
        "print(*sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(HEAVY) & set(done.stderr.split())


def test_a_daemon_is_restored_as_it_was_saved(console: Console) -> None:
    """Its own line names role, interface and id."""
    daemon = SyncDaemon(SyncRole.BACKUP, "lo", 5, 1100, ip_address("ff02::5"), 99, 3)
    assert console.run(daemon_line(daemon)) == 0
    assert console.ipvs.daemons() == (daemon,)
