"""What is wanted of a body: found in pieces, bounded, said in words."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsha.core.probes import HttpProbe, JsonWanted
from lvsha.errors import ProbeError
from lvsha.probes.answer import Answer
from lvsha.probes.body import BODY_LIMIT, KEPT_LIMIT

BODY = b'{"status": "ok", "load": 0.5, "deep": [[1]]} '
SPECS = [
    HttpProbe(contains="status"),
    HttpProbe(regex='"load": [0-9.]+'),
    HttpProbe(regex="^nothing$"),
    HttpProbe(json=JsonWanted("$.deep[0][0]", "1")),
    HttpProbe(json=JsonWanted("$.load", "0.5"), contains="ok", regex="deep"),
    HttpProbe(json=JsonWanted("$.load", '"0.5"'), contains="ok"),
    HttpProbe(digest=hashlib.sha256(BODY).hexdigest()),
    HttpProbe(digest=hashlib.md5(BODY).hexdigest()),
]


def judged(spec: HttpProbe, *pieces: bytes) -> str:
    answer = Answer(spec)
    answer.headers(200)
    for piece in pieces:
        answer.body(piece)
    answer.end()
    try:
        return answer.verdict()
    except ProbeError as error:
        return str(error).removeprefix("HTTP 200, but ")


@given(spec=st.sampled_from(SPECS), cut=st.integers(0, len(BODY)), again=st.integers(0, len(BODY)))
def test_the_verdict_does_not_depend_on_the_pieces(spec: HttpProbe, cut: int, again: int) -> None:
    low, high = sorted((cut, again))
    assert judged(spec, BODY[:low], BODY[low:high], BODY[high:]) == judged(spec, BODY)


@pytest.mark.parametrize(
    ("spec", "body", "message"),
    [
        (HttpProbe(json=JsonWanted("$.a", "1")), b"[]", "the body has no $.a"),
        (HttpProbe(json=JsonWanted("$.a", "1")), b'{"a": true}', "$.a is true, wanted 1"),
        (HttpProbe(json=JsonWanted("$", "1")), b"", "the body of 0 bytes is not JSON"),
        (
            HttpProbe(json=JsonWanted("$", "1")),
            b"[" * 60_000,
            "the body of 60000 bytes is not JSON",
        ),
        (
            HttpProbe(json=JsonWanted("$", "1")),
            b"9" * 60_000,
            "the body of 60000 bytes is not JSON",
        ),
        (
            HttpProbe(json=JsonWanted("$", "1")),
            b'"' + b"x" * 100 + b'"',
            f'$ is "{"x" * 59}…, wanted 1',
        ),
        (
            HttpProbe(json=JsonWanted("$", "1")),
            b" " * KEPT_LIMIT + b"1",
            "the body is longer than 64 KiB, too long to be read as JSON",
        ),
        (
            HttpProbe(regex="needle"),
            b"x" * KEPT_LIMIT + b"needle",
            '"needle" does not match in the first 64 KiB of the body',
        ),
        (
            HttpProbe(digest="0" * 64),
            b"x" * (BODY_LIMIT + 1),
            "the body is longer than 1024 KiB, too long for a digest",
        ),
        (HttpProbe(regex="é"), "caf\u00e9".encode(), "HTTP 200"),
        (HttpProbe(regex=r"\xff"), b"\xff\xff", '"\\xff" does not match in the body of 2 bytes'),
        (HttpProbe(regex="ok$"), b"\xff\xfe ok", "HTTP 200"),
    ],
)
def test_words_for_what_is_not_there(spec: HttpProbe, body: bytes, message: str) -> None:
    assert judged(spec, body) == message


@pytest.mark.parametrize("spec", [*SPECS, HttpProbe(regex="(x+x+)+y")], ids=str)
def test_an_endless_body_is_read_to_a_limit(spec: HttpProbe) -> None:
    """More of it changes nothing any more, however hostile to the pattern."""
    answer = Answer(spec)
    answer.headers(200)
    pieces = 0
    while not answer.complete:
        answer.body(b"x" * 4096)
        pieces += 1
    assert pieces <= BODY_LIMIT / 4096 + 1
    with pytest.raises(ProbeError):
        answer.verdict()
