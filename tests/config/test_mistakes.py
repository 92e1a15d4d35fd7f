"""Every mistake has its own words: one bad file beside the exact message it must give."""

from __future__ import annotations

from pathlib import Path

import pytest

from lvsha.config.resolve import load
from lvsha.errors import ConfigError

BAD = Path(__file__).parent / "bad"


@pytest.mark.parametrize("file", sorted(BAD.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_bad_file_gives_exactly_its_message(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD)
    with pytest.raises(ConfigError) as caught:
        load(file.name)
    assert f"{caught.value}\n" == file.with_suffix(".txt").read_text()


def test_every_bad_file_has_a_message_and_every_message_a_file() -> None:
    stems = {suffix: {file.stem for file in BAD.glob(f"*{suffix}")} for suffix in (".yaml", ".txt")}
    assert stems[".yaml"] == stems[".txt"]


@pytest.mark.parametrize("file", sorted(BAD.glob("*.txt")), ids=lambda file: file.stem)
def test_messages_keep_the_house_style(file: Path) -> None:
    """Lower case unless a value starts it, no trailing period, hints indented."""
    for line in file.read_text().splitlines():
        assert not line.endswith(".") or line.endswith("_ . -") or "'..'" in line
        if line.startswith("  "):
            assert line.startswith("  hint: ")
        else:
            place, _, _ = line.partition(": ")
            name, row, column = place.split(":")
            assert name == f"{file.stem}.yaml"
            assert int(row) >= 1
            assert int(column) >= 1


def test_mistakes_come_in_the_order_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(BAD)
    with pytest.raises(ConfigError) as caught:
        load("many_mistakes.yaml")
    places = [(mistake.line, mistake.column) for mistake in caught.value.mistakes]
    assert places == sorted(places)
    assert len(places) == 11
