"""core.grpc_health: the two messages of the health protocol as bytes."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lvsha.core.grpc_health import question, status


@pytest.mark.parametrize(
    ("service", "message"),
    [
        ("", b"\0\0\0\0\0"),
        ("a.B", b"\0\0\0\0\5\x0a\3a.B"),
        ("é", b"\0\0\0\0\4\x0a\2\xc3\xa9"),
        ("x" * 200, b"\0\0\0\0\xcb\x0a\xc8\1" + b"x" * 200),
    ],
)
def test_a_question_names_the_service(service: str, message: bytes) -> None:
    assert question(service) == message


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (b"", 0),
        (b"\x08\1", 1),
        (b"\x08\x80\1", 128),
        (b"\x12\3abc\x08\2", 2),
        (b"\x11" + b"\0" * 8 + b"\x1d" + b"\0" * 4 + b"\x08\3", 3),
    ],
)
def test_the_status_is_found_among_other_fields(message: bytes, found: int) -> None:
    assert status(b"\0" + len(message).to_bytes(4, "big") + message) == found


@given(st.binary(max_size=60))
def test_any_bytes_are_a_status_or_a_value_error(body: bytes) -> None:
    with suppress(ValueError):
        assert status(body) >= 0
