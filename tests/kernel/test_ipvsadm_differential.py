"""The real ipvsadm and ours on the same commands: same tables, output, messages, exit codes."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.kernel.ipvsadm_pair import (
    PROGRAMS,
    Pair,
    Said,
    difference,
    masked,
    pair,
    run,
    run_in_process,
)

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(180)]

COMMANDS = Path(__file__).with_name("ipvsadm_commands.txt")
TABLE = b"""\
-A -t 192.0.2.10:80 -s wlc -p 300 -M 255.255.255.0
-a -t 192.0.2.10:80 -r 10.0.0.2:80 -g -w 1
-a -t 192.0.2.10:80 -r 10.0.0.3:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum
-A -u 192.0.2.10:53 -s mh -o -b mh-fallback,mh-port
-a -u 192.0.2.10:53 -r 10.0.0.2:5353 -m -w 70000
-A -t [2001:db8::10]:80 -s sh -b sh-port
-a -t [2001:db8::10]:80 -r [2001:db8::2]:80 -i -w 0 --tun-type gre --tun-csum
-A -f 7 -6 -s rr -p 60 -M 64
-A --sctp-service 192.0.2.11:99 -s nq
"""
STYLES = ("", "--stats", "--rate", "--thresholds", "--persistent-conn", "--tun-info", "--exact")


@pytest.fixture(scope="module")
def standing() -> Iterator[Pair]:
    with pair() as both:
        yield both


@pytest.fixture
def both(standing: Pair) -> Pair:
    standing.clear()
    return standing


def written_commands() -> list[list[str]]:
    lines = COMMANDS.read_text().splitlines()
    return [shlex.split(line) for line in lines if not line.startswith("#")]


def test_every_option_and_message_is_ipvsadms(both: Pair) -> None:
    """The handbook's commands and one for each rule, on a table that grows with them."""
    for words in written_commands():
        both.check(words)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n\n",
        b"-A -t 1.2.3.4:80",
        b"-A -t 1.2.3.4:80 ",
        b"-A -t 1.2.3.4:80  ",
        b"ipvsadm -A -t 1.2.3.4:80\nipvsadm\n",
        b"  \t-A -t 1.2.3.4:80 \r\n\t-a\t-t 1.2.3.4:80 -r 10.0.0.1\n",
        b"# a comment\n-A -t 1.2.3.4:80\n",
        b"-A -t 1.2.3.4:80 # a comment\n-A -t 1.2.3.4:81\n",
        b"-A -t 1.2.3.4:80\n-A -t 1.2.3.4:80\n-A -t 1.2.3.4:81\n",
        b"-A -t 1.2.3.4:81\n-A -t 1.2.3.4:81\n",
        b"-A -t 1.2.3.4:80\n-A -t nonsense\n-A -t 1.2.3.4:81\n",
        b"-A -t 1.2.3.4:80\n-A -q\n-A -t 1.2.3.4:80\n-A -t 1.2.3.4:81\n-Ln\n-A -t\n",
        b"-A -t 1.2.3.4:80\n-R\n-A -t 1.2.3.4:81\n",
        b"-A -t 1.2.3.4:80\n-h\n-A -t 1.2.3.4:81\n",
        b"-A -t 1.2.3.4:80\nfoo\n-A -t 1.2.3.4:81\n",
        b"-A -t 1.2.3.4:80\n-L -t 9.9.9.9:80\n-A -t 1.2.3.4:81\n",
        b"-C\n-S\n-A -t '1.2.3.4:80'\n",
        b"-A -t 1.2.3.4:80\n-A -s \xff\xfe -t 1.2.3.4:81\n-A \xff\n",
        TABLE,
    ],
)
def test_a_restore_takes_lines_as_ipvsadm_does(both: Pair, text: bytes) -> None:
    """Blanks, comments, half lines, bad lines: same errors, same code, same table after."""
    both.check(["-R"], text)
    both.check(["-Sn"])


def test_what_one_program_saves_the_other_restores(both: Pair) -> None:
    """Both ways round the table is reproduced, through the programs themselves."""
    with both.ours.entered():
        assert run(["ipvsadm", "-R"], TABLE).code == 0
        saved = run(["ipvsadm-save", "-n"])
        run([str(PROGRAMS / "lvsha-ipvsadm-restore")], saved.out)
        again = run([str(PROGRAMS / "lvsha-ipvsadm-save"), "-n"])
        run(["ipvsadm-restore"], again.out)
        assert run(["ipvsadm-save", "-n"]) == again == saved
    assert sorted(saved.out.splitlines()) == sorted(TABLE.splitlines())


@pytest.mark.parametrize(
    ("real", "ours"),
    [
        (["ipvsadm", "-Ln"], ["lvsha-ipvsadm", "-Ln"]),
        (["ipvsadm"], ["lvsha", "ipvsadm"]),
        (["ipvsadm", "-L", "--timeout"], ["lvsha", "ipvsadm", "-L", "--timeout"]),
        (["ipvsadm", "-A", "-t"], ["lvsha-ipvsadm", "-A", "-t"]),
        (["ipvsadm", "-x"], ["lvsha-ipvsadm", "-x"]),
        (["ipvsadm", "-D", "-f", "99"], ["lvsha-ipvsadm", "-D", "-f", "99"]),
        (["ipvsadm-save"], ["lvsha-ipvsadm-save"]),
        (["ipvsadm-save", "--help"], ["lvsha-ipvsadm-save", "--help"]),
        (["ipvsadm-restore"], ["lvsha-ipvsadm-restore"]),
    ],
)
def test_the_programs_are_ipvsadms(both: Pair, real: list[str], ours: list[str]) -> None:
    """As processes: output, messages and exit codes of the installed programs."""
    stdin = b"-A -t 192.0.2.1:80\n# not a line\n-a -t 192.0.2.1:80 -r 10.0.0.1\n-A -f\n"
    with both.ours.entered():
        run(["ipvsadm", "-R"], TABLE)
        expected = run(real, stdin)
        table = run(["ipvsadm", "-Sn"])
        run(["ipvsadm", "-C"])
        run(["ipvsadm", "-R"], TABLE)
        said = run([str(PROGRAMS / ours[0]), *ours[1:]], stdin)
        assert said == expected, difference(ours, stdin, expected, said)
        assert run(["ipvsadm", "-Sn"]) == table


@pytest.mark.parametrize(
    ("words", "real", "ours"),
    [
        (["-A", "-f", "1", "-b", ","], (-11, b""), (2, b"invalid scheduler flag `,'\n")),
        (
            ["-A", "-t", "!#:+", "192.0.2.1:80"],
            (0, b""),
            (2, b"illegal virtual server address[:port] specified\n"),
        ),
        (["-L", "--json"], (255, b"--json: unknown option\n"), (0, b"")),
        (["-S", "--full"], (255, b"--full: unknown option\n"), (0, b"")),
        (["-R", "--atomic"], (255, b"--atomic: unknown option\n"), (0, b"")),
        (
            ["-D", "-f", "1", "--wait"],
            (255, b"--wait: unknown option\n"),
            (255, b"No such service\n"),
        ),
    ],
)
def test_the_wanted_differences_are_these(
    both: Pair, words: list[str], real: tuple[int, bytes], ours: tuple[int, bytes]
) -> None:
    """Each row of the table in docs/ipvsadm.md that a command line can show."""
    for said, expected in ((both.of_real(words), real), (both.of_ours(words), ours)):
        assert (said.code, said.err) == expected


def test_nobody_but_root_is_told_so(both: Pair) -> None:
    """Both name the same reason and end with 2, whatever was asked."""
    nobody = ["setpriv", "--inh-caps", "-net_admin", "--bounding-set", "-net_admin"]
    with both.ours.entered():
        expected = run([*nobody, "ipvsadm", "-Ln"])
        assert b"you must be root" in expected.err
        assert run([*nobody, str(PROGRAMS / "lvsha-ipvsadm"), "-Ln"]) == expected


def test_listings_of_live_connections_are_ipvsadms(both: Pair) -> None:
    """Both read one namespace with TCP, UDP, persistence and SIP traffic, idle between."""
    with both.ours.entered(), ExitStack() as stack:
        make_traffic(stack)
        listings = [["-Lnc"], ["-Lc"], ["-Lnc", "--persistent-conn"]]
        listings += [["-Ln", *style.split()] for style in STYLES]
        listings += [["-Ln", "--stats", "--exact"], ["-Ln", "-t", "192.0.2.1:80", "--stats"]]
        for words in listings:
            real, ours = run(["ipvsadm", *words]), run_in_process(both.kernel, words)
            rates = "--rate" in words
            one, other = masked(real, rates=rates), masked(ours, rates=rates)
            assert one == other, difference(words, b"", one, other)
        assert run(["ipvsadm", "-Lnc", "--persistent-conn"]).out.count(b"sip") == 1
        assert run(["ipvsadm", "-Lnc"]).out.count(b"ESTABLISHED") == 2


def test_unsorted_listings_hold_the_same_entries(both: Pair) -> None:
    """Order without sorting comes from each namespace's own hash, the lines do not."""
    both.of_real(["-R"], TABLE)
    both.of_ours(["-R"], TABLE)
    real, ours = both.of_real(["-Ln", "--nosort"]), both.of_ours(["-Ln", "--nosort"])
    assert sorted(real.out.splitlines()) == sorted(ours.out.splitlines())
    with both.ours.entered():
        assert run(["ipvsadm", "-Ln", "--nosort"]) == ours


def make_traffic(stack: ExitStack) -> None:
    """Services on this namespace's own addresses, and connections that stay open."""
    for line in ("addr add 192.0.2.1/32 dev lo", "addr add 192.0.2.2/32 dev lo"):
        run(["ip", *line.split()])
    for line in ("-6 addr add 2001:db8::1/128 dev lo", "-6 addr add 2001:db8::2/128 dev lo"):
        run(["ip", *line.split(), "nodad"])
    done = run(["ipvsadm", "-R"], TRAFFIC)
    assert done == Said(0, b"", b""), done
    listen(stack, socket.AF_INET, "192.0.2.2")
    listen(stack, socket.AF_INET6, "2001:db8::2")
    for address in ("192.0.2.1", "2001:db8::1"):
        stack.enter_context(socket.create_connection((address, 80), timeout=5)).send(b"x" * 3000)
    datagrams = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    datagrams.sendto(b"question", ("192.0.2.1", 53))
    datagrams.sendto(b"REGISTER sip:a SIP/2.0\r\nCall-ID: one@two\r\n\r\n", ("192.0.2.1", 5060))


TRAFFIC = b"""\
-A -t 192.0.2.1:80 -s rr -p 100
-a -t 192.0.2.1:80 -r 192.0.2.2:8080 -m -x 100 -y 50
-A -t [2001:db8::1]:80 -s rr
-a -t [2001:db8::1]:80 -r [2001:db8::2]:8080 -m
-A -u 192.0.2.1:53 -s rr
-a -u 192.0.2.1:53 -r 192.0.2.2:8080 -m
-A -u 192.0.2.1:5060 -s rr -p 50 --pe sip
-a -u 192.0.2.1:5060 -r 192.0.2.2:8080 -m
"""


def listen(stack: ExitStack, family: socket.AddressFamily, address: str) -> None:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        end = stack.enter_context(socket.socket(family, kind))
        end.bind((address, 8080))
        if kind is socket.SOCK_STREAM:
            end.listen()
