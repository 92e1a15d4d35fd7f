"""director.ownership: a claim survives restarts, bad disks and bad files."""

from __future__ import annotations

import json
import logging
from ipaddress import ip_address
from pathlib import Path

import pytest

from lvsha.core.types import Family, FwmarkKey, Protocol, ServiceKey
from lvsha.director.ownership import Ownership

WEB = ServiceKey(Protocol.TCP, ip_address("192.0.2.1"), 80)
MARK = FwmarkKey(Family.IPV6, 7)


@pytest.fixture
def events(caplog):
    caplog.set_level(logging.INFO, logger="lvsha")
    return lambda: [record.getMessage() for record in caplog.records]


def test_what_is_claimed_is_there_after_a_restart(tmp_path):
    Ownership(tmp_path).set({WEB, MARK})
    assert Ownership(tmp_path).keys == {WEB, MARK}


DAMAGED = [
    "",
    "{",
    "[]",
    "{}",
    '{"services": 5}',
    '{"services": [{}]}',
    '{"services": ["x"]}',
    '{"services": [{"type": "ServiceKey", "protocol": 99, "address": "x", "port": 1}]}',
    '"text"',
    "\x00",
]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_file_claims_nothing_and_is_kept_aside(tmp_path, events, text):
    (tmp_path / "owned.json").write_text(text)
    ownership = Ownership(tmp_path)
    assert ownership.keys == frozenset()
    assert events() == []  # reading alone changes and says nothing: `lvsha plan` does it too
    ownership.set({WEB})
    assert events() == ["ownership.unreadable"]
    assert (tmp_path / "owned.damaged").read_text() == text
    assert Ownership(tmp_path).keys == {WEB}


def test_a_disk_that_takes_nothing_is_said_once_and_tried_again(tmp_path, events, monkeypatch):
    ownership = Ownership(tmp_path / "gone")
    for _ in range(3):
        ownership.set({WEB})
    assert ownership.keys == {WEB}
    assert events() == ["ownership.unwritable"]
    (tmp_path / "gone").mkdir()
    ownership.set({WEB})
    assert Ownership(tmp_path / "gone").keys == {WEB}


def test_a_full_disk_leaves_the_old_file_as_it_was(tmp_path, events, monkeypatch):
    ownership = Ownership(tmp_path)
    ownership.set({WEB})

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        ownership.set({WEB, MARK})
    assert events() == ["ownership.unwritable"]
    assert len(json.loads((tmp_path / "owned.json").read_text())["services"]) == 1
    ownership.set({WEB, MARK})
    assert Ownership(tmp_path).keys == {WEB, MARK}
