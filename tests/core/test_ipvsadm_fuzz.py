"""Whatever the words, the grammar answers with a request or with ipvsadm's own complaint."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from lvsha.core.commands import AddDestination
from lvsha.core.ipvsadm import grammar
from lvsha.core.ipvsadm.connections import read_connection
from lvsha.core.ipvsadm.grammar import parse
from lvsha.core.ipvsadm.lines import save_line
from lvsha.core.ipvsadm.names import NUMERIC, Names
from lvsha.core.ipvsadm.options import BY_WORD
from lvsha.core.ipvsadm.request import Change, Request, WordsError
from lvsha.core.ipvsadm.stream import restore_lines
from lvsha.core.types import Forwarding, IpvsTable
from tests.ipvsadm_words import any_line, odd_line, sensible_line
from tests.tables import tables

words = st.one_of(
    st.sampled_from(sorted(BY_WORD)),
    st.text(max_size=12),
    st.from_regex(r"\A-{1,2}[A-Za-z0-9=,:.]{0,12}\Z"),
    st.from_regex(r"\A[\[\]0-9a-fx:.]{1,20}\Z"),
)


def attempt(line: list[str]) -> None:
    with suppress(WordsError):
        parse(line, NUMERIC)


@settings(max_examples=400, deadline=None)
@given(st.lists(words, max_size=8))
def test_no_words_end_in_a_traceback(line: list[str]) -> None:
    """Anything but WordsError would be one."""
    attempt(line)


def test_no_generated_line_ends_in_a_traceback() -> None:
    """Lines nearer to sense get further into the rules."""
    rng = Random(3)
    for _ in range(3000):
        attempt(rng.choice((sensible_line, odd_line, any_line))(rng))


def outcome(parse: Callable[[list[str], Names], Request], line: list[str]) -> object:
    try:
        return parse(line, NUMERIC)
    except WordsError as error:
        return error.text, error.exit_code, error.final


def test_a_line_of_a_known_shape_means_what_it_would_mean_alone() -> None:
    """What was learnt of lines before it changes nothing but the time it takes."""
    rng = Random(4)
    for _ in range(3000):
        line = rng.choice((sensible_line, sensible_line, odd_line, any_line))(rng)
        assert outcome(grammar.parse, line) == outcome(grammar._parse, line)
    learnt = ["-a", "-t", "192.0.2.1:80", "-r", "10.0.0.1", "-m", "-w", "1"]
    assert isinstance(parse(learnt, NUMERIC), Change)
    for at, word in ((2, "-r"), (7, "-1"), (7, "-m"), (4, "--")):
        line = [*learnt[:at], word, *learnt[at + 1 :]]
        assert outcome(grammar.parse, line) == outcome(grammar._parse, line)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=" \t\r\n\vaA#-ipvsadm:", max_size=60))
def test_restored_lines_hold_words_without_blanks(text: str) -> None:
    """None is empty, and none only names the program."""
    for line in restore_lines(text):
        assert line
        assert all(word and word != "ipvsadm" and not set(word) & set(" \t\r\n") for word in line)


@settings(max_examples=100, deadline=None)
@given(tables())
def test_what_is_saved_is_read_back(table: IpvsTable) -> None:
    """Every destination's line asks for the very destination it was written from, but for what
    ipvsadm does not allow: port mapping or another family without a reason."""
    for key, entry in table.items():
        for destination in entry.destinations.values():
            command = AddDestination(key, destination)
            kept = destination.forwarding is Forwarding.NAT or destination.key.port == getattr(
                key, "port", destination.key.port
            )
            same_family = destination.key.address.version == (4 if key.family == 2 else 6)
            if kept and (same_family or destination.forwarding is Forwarding.TUN):
                assert parse(save_line(command).split(), NUMERIC) == Change(command)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="TCPUDP 0123456789ABCDEF:.\n", max_size=120))
def test_a_connection_line_is_read_or_refused_with_valueerror(line: str) -> None:
    """The kernel's file is read as it comes, too."""
    try:
        read_connection(line)
    except ValueError:
        return
