"""The `file` check."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lvsha.core.health import Admin, Advice, Outcome
from lvsha.core.probes import FileProbe
from tests.shell.targets import probe

PASS, FAIL, INCONCLUSIVE = Outcome.PASS, Outcome.FAIL, Outcome.INCONCLUSIVE


NINES = "9" * 39
"""As much of a long word as is quoted."""


@pytest.mark.parametrize(
    ("content", "outcome", "message", "advice"),
    [
        ("0\n", PASS, 'says "0"', None),
        ("", PASS, "is empty", None),
        ("\n1\n", PASS, "is empty", None),
        ("1\n", FAIL, 'says "1"', None),
        ("-3", FAIL, 'says "-3"', None),
        ("up\n", PASS, 'says "up"', None),
        ("down #moving house\n", FAIL, 'says "down #moving house"', None),
        ("75%\n", PASS, 'says "75%"', Advice(weight_percent=75)),
        ("drain\n", PASS, 'says "drain"', Advice(admin=Admin.DRAIN)),
        ("down 5%\n", FAIL, 'says "down 5%"', Advice(weight_percent=5)),
        ("hello\n", INCONCLUSIVE, "is not understood: 'hello' is not an agent's word", None),
        ("9" * 5000, INCONCLUSIVE, f"is not understood: '{NINES}…' is not an agent's word", None),
    ],
)
async def test_the_first_line_decides(
    tmp_path: Path, content: str, outcome: Outcome, message: str, advice: Advice | None
) -> None:
    """A number, as keepalived reads it, or an agent's words."""
    path = tmp_path / "state"
    path.write_text(content)
    result = await probe(FileProbe(str(path)), 0)
    assert (result.outcome, result.advice) == (outcome, advice)
    assert result.message.split(" in ")[0] == f"{path} {message}"


async def test_no_file_is_as_good_as_0(tmp_path: Path) -> None:
    """As in keepalived: who wants a server out says so."""
    result = await probe(FileProbe(str(tmp_path / "none")), 0)
    assert result.outcome is PASS
    assert result.message.startswith(f"{tmp_path}/none is not there")


async def test_a_change_is_seen_by_the_next_probe(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_text("0")
    first = await probe(FileProbe(str(path)), 0)
    path.write_text("1")
    second = await probe(FileProbe(str(path)), 0)
    assert (first.outcome, second.outcome) == (PASS, FAIL)


async def test_what_is_no_file_cannot_hold_up_the_checks(tmp_path: Path) -> None:
    """Opening a pipe nobody writes to would wait for ever."""
    os.mkfifo(tmp_path / "pipe")
    result = await probe(FileProbe(str(tmp_path / "pipe")), 0)
    assert (result.outcome, result.message) == (
        INCONCLUSIVE,
        f"this machine: {tmp_path}/pipe is not a regular file",
    )
    result = await probe(FileProbe(str(tmp_path)), 0)
    assert result.message == f"this machine: {tmp_path} is not a regular file"


async def test_an_unreadable_file_says_nothing_of_the_server(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    result = await probe(FileProbe(str(tmp_path / "loop")), 0)
    assert (result.outcome, result.message) == (
        INCONCLUSIVE,
        f"this machine: {tmp_path}/loop: too many levels of symbolic links",
    )
