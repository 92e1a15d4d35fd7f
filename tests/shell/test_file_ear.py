"""A file that checks read is read again as soon as it changes, in real time."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from lvsha.core.health import Measured
from lvsha.core.plan import Check
from lvsha.core.probes import FileProbe
from lvsha.director.checker import Checkers
from lvsha.probes import Prober
from lvsha.programs import files
from tests.shell.waiting import until

HOUR = 3600.0


def check_of(path: Path, server: int = 1) -> Check:
    """Once an hour, if nothing happens."""
    address = ip_address(f"10.0.0.{server}")
    return Check(FileProbe(str(path)), address, 0, interval=HOUR, rise=1, fall=1)


@asynccontextmanager
async def running(*checks: Check) -> AsyncIterator[Checkers]:
    """Checkers that have seen each file once."""
    checkers = Checkers(Prober(), lambda *_: None)
    checkers.update(checks)
    try:
        await until(lambda: checkers.decided)
        yield checkers
    finally:
        await checkers.close()


def measured(checkers: Checkers, *checks: Check) -> set[Measured]:
    return {checkers.health(check).measured for check in checks}


async def test_a_written_file_counts_at_once_for_all_servers_that_read_it(tmp_path: Path) -> None:
    path = tmp_path / "hold"
    checks = [check_of(path, server) for server in range(1, 200)]
    async with running(*checks) as checkers:
        assert measured(checkers, *checks) == {Measured.UP}
        path.write_text("1\n")
        await until(lambda: measured(checkers, *checks) == {Measured.DOWN})
        path.unlink()
        await until(lambda: measured(checkers, *checks) == {Measured.UP})


async def test_a_file_moved_into_place_counts_at_once(tmp_path: Path) -> None:
    path = tmp_path / "hold"
    async with running(check_of(path)) as checkers:
        (tmp_path / "draft").write_text("1\n")
        os.replace(tmp_path / "draft", path)
        await until(lambda: measured(checkers, check_of(path)) == {Measured.DOWN})


async def test_another_file_of_the_directory_starts_nothing(tmp_path: Path) -> None:
    one, other = check_of(tmp_path / "one"), check_of(tmp_path / "other")
    async with running(one, other) as checkers:
        seen = checkers.health(other)
        (tmp_path / "one").write_text("1")
        await until(lambda: measured(checkers, one) == {Measured.DOWN})
        assert checkers.health(other) is seen


async def test_a_file_that_comes_with_a_reload_is_heard_too(tmp_path: Path) -> None:
    old, new = check_of(tmp_path / "old"), check_of(tmp_path / "new")
    async with running(old) as checkers:
        checkers.update([new])
        await until(lambda: checkers.decided)
        (tmp_path / "new").write_text("1")
        await until(lambda: measured(checkers, new) == {Measured.DOWN})


async def test_a_machine_without_inotify_left_reads_files_at_their_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """128 of them is all that root's containers have together."""
    monkeypatch.setattr(files.ctypes, "CDLL", lambda *_, **__: NoneLeft())
    path = tmp_path / "hold"
    check = replace(check_of(path), interval=0.1)
    async with running(check) as checkers:
        path.write_text("1\n")
        await until(lambda: measured(checkers, check) == {Measured.DOWN})


class NoneLeft:
    def inotify_init1(self, _flags: int) -> int:
        return -1


def test_a_directory_that_is_moved_away_is_watched_no_longer(tmp_path: Path) -> None:
    place = tmp_path / "here"
    place.mkdir()
    found = files.Files()
    found.paths = frozenset({str(place / "hold")})
    try:
        found.watch()
        for number in range(3):
            place.rename(tmp_path / f"there{number}")
            place.mkdir()
            found.watch()
        told = Path(f"/proc/self/fdinfo/{found.fileno()}").read_text()
        assert told.count("inotify wd:") == 1
        found.changed()
        (place / "hold").write_text("1")
        assert found.changed() == found.paths
    finally:
        os.close(found.fileno())
