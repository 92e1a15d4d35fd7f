"""An HTTP answer taken apart: any bytes, in any pieces."""

from __future__ import annotations

import gc
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsha.core.probes import HttpProbe
from lvsha.errors import ProbeError
from lvsha.probes.answer import Answer
from lvsha.probes.http1 import Parser

HEAD = b"HTTP/1.1 200 OK\r\nServer: x\r\n"
ANSWERS = [
    HEAD + b"Content-Length: 11\r\n\r\nhello world",
    HEAD + b"\r\nhello world",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" + HEAD + b"\r\nhello world",
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2p1\r\n",
    HEAD,
    b"",
]
PROBES = [HttpProbe(), HttpProbe(contains="lo wor"), HttpProbe(contains="bye")]


def verdict(spec: HttpProbe, pieces: list[bytes]) -> str:
    """What is found when these pieces arrive and then the end."""
    answer = Answer(spec)
    parser = Parser(answer)
    try:
        for piece in [*(piece for piece in pieces if piece), b""]:
            if not answer.complete:
                parser.feed(piece)
        return answer.verdict()
    except ProbeError as error:
        return f"failed: {error}"


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(marks)]


@given(
    data=st.sampled_from(ANSWERS),
    spec=st.sampled_from(PROBES),
    places=st.lists(st.integers(0, 500), max_size=20),
)
def test_the_verdict_does_not_depend_on_how_the_bytes_arrive(
    data: bytes, spec: HttpProbe, places: list[int]
) -> None:
    """Cut anywhere, an answer leads to the same verdict as in one piece.

    Only how much of a body had to be read, and of garbage could be shown, may differ.
    """
    whole, pieces = verdict(spec, [data]), verdict(spec, cut(data, places))
    assert pieces.split(":")[0] == whole.split(":")[0]
    if not data.startswith(b"SSH"):
        assert pieces == whole


@given(pieces=st.lists(st.binary(max_size=50), max_size=10), spec=st.sampled_from(PROBES))
def test_any_garbage_is_a_readable_failure(pieces: list[bytes], spec: HttpProbe) -> None:
    """Whatever a server sends, the outcome is one printable line and never another exception."""
    line = verdict(spec, pieces)
    assert line.isprintable()
    assert line.startswith("failed: ")


@given(noise=st.binary(max_size=200), at=st.integers(0, 100), spec=st.sampled_from(PROBES))
def test_a_damaged_answer_is_judged_or_refused(noise: bytes, at: int, spec: HttpProbe) -> None:
    """Noise inside a good answer: a verdict or a readable failure."""
    data = ANSWERS[0]
    assert verdict(spec, [data[:at] + noise + data[at:]]).isprintable()


@pytest.mark.parametrize("spec", [HttpProbe(), HttpProbe(redirects=1, contains="x")])
def test_answers_leave_no_circular_garbage(spec: HttpProbe) -> None:
    """Parser and what it calls know each other; after close() reference counting frees both."""
    gc.collect()
    gc.disable()
    try:
        parser = Parser(Answer(spec))
        parser.feed(ANSWERS[0])
        parser.close()
        del parser
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_text_is_found_across_pieces_of_any_size(size: int) -> None:
    """A body that comes in small pieces is searched without gaps."""
    body = b"x" * 997 + b"needle" + b"y" * 50
    data = HEAD + b"\r\n" + body
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert verdict(HttpProbe(contains="needle"), pieces) == "HTTP 200"


@pytest.mark.parametrize(
    ("spec", "head"),
    [
        (HttpProbe(), HEAD + b"Content-Length: 1000\r\n\r\n"),
        (HttpProbe(method="HEAD", contains="x"), HEAD + b"Content-Length: 1000\r\n\r\n"),
        (HttpProbe(contains="x"), b"HTTP/1.1 500 No\r\nContent-Length: 1000\r\n\r\n"),
        (HttpProbe(contains="x"), b"HTTP/1.1 304 Same\r\nContent-Length: 1000\r\n\r\n"),
    ],
)
def test_a_body_that_cannot_matter_is_not_waited_for(spec: HttpProbe, head: bytes) -> None:
    """The headers decide: no text is wanted, none can come, or the status is wrong anyway."""
    answer = Answer(spec)
    Parser(answer).feed(head)
    assert answer.complete
