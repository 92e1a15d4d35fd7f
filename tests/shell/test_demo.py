"""The demonstration's two ends: what the story tells, and what is shown of it."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from lvsha.errors import HostError
from lvsha.lab import demo as demo_module
from lvsha.lab import guest, scenario
from lvsha.lab.picture import Lines, Scene, draw
from lvsha.lab.stage import Record

NEWS: list[dict[str, Any]] = [
    {"kind": "step", "number": 3, "title": "A real server dies", "state": "begins"},
    {"kind": "log", "node": "lb1", "event": "vrrp.state", "router": "web", "new": "MASTER"},
    {"kind": "log", "node": "lb1", "event": "daemon.detail", "of": "no interest"},
    {"kind": "traffic", "outcomes": [["rs1", 0.01], [None, 1.0]]},
    {"kind": "status", "node": "lb2", "status": None},
    {"kind": "step", "number": 3, "title": "A real server dies", "state": "done",
     "facts": {"detected after": "1.8 s"}},
]  # fmt: skip
SUMMARY = {"kind": "summary", "facts": {"requests": "345"}, "happened": True}


class FakeStage:
    """A stage on which nothing stands."""

    def __init__(self) -> None:
        self.record = Record()
        self.stopped = False

    def stop(self) -> None:
        self.stopped = True


def test_plain_lines_tell_steps_and_transitions(capsys: pytest.CaptureFixture[str]) -> None:
    for news in NEWS:
        Lines().show({"at": 0.0, **news})
    lines = [line.split(" ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "▶ A real server dies",
        "  lb1 vrrp.state router=web new=MASTER",
        "  lb1 daemon.detail of=no interest",
        "✓ A real server dies: detected after 1.8 s",
    ]


def test_the_picture_shows_routers_traffic_and_steps() -> None:
    scene = Scene()
    for news in NEWS:
        scene.take(news)
    console = Console(width=100, file=StringIO())
    with console.capture() as capture:
        console.print(draw(scene))
    shown = capture.get()
    assert "lb2   gone" in shown
    assert "2 requests, 1 failed   rs1 1" in shown
    assert "✓ A real server dies  detected after 1.8 s" in shown


@pytest.mark.parametrize(("status", "happened"), [(0, True), (1, False)])
def test_the_demo_ends_with_the_summary_and_the_storys_status(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: int,
    happened: bool,
) -> None:
    """News arrive in pieces that do not respect lines."""

    def play(*_: object, out: Any, **__: object) -> int:
        text = json.dumps({**SUMMARY, "happened": happened}).encode() + b"\n"
        out(text[:20])
        out(text[20:])
        return status

    monkeypatch.setattr(demo_module.os, "geteuid", lambda: 0)
    monkeypatch.setattr(guest, "host_has_ipvs", lambda: False)
    monkeypatch.setattr(guest, "run", play)
    monkeypatch.setattr(guest, "end_in_order", lambda: None)
    assert demo_module.demo(plain=True) == status
    shown = capsys.readouterr().out.splitlines()
    assert "  requests  345" in shown
    assert shown[-1] == ("every step happened" if happened else "a step did not happen")


def test_a_story_that_breaks_off_is_an_error_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def play(*_: object, err: Any, **__: object) -> int:
        err(b"Traceback\nOSError: no space\n")
        return 1

    monkeypatch.setattr(demo_module.os, "geteuid", lambda: 0)
    monkeypatch.setattr(guest, "host_has_ipvs", lambda: True)
    monkeypatch.setattr(guest, "run", play)
    monkeypatch.setattr(guest, "end_in_order", lambda: None)
    with pytest.raises(HostError, match=r"it broke off\n.*\n  OSError: no space"):
        demo_module.demo(plain=True)


def test_the_demo_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_module.os, "geteuid", lambda: 1000)
    with pytest.raises(HostError, match="need root"):
        demo_module.demo(plain=True)


def test_a_step_that_does_not_come_about_ends_the_story(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told as missed with the reason, the stage is cleared, and the story failed."""

    def never(play: scenario.Play) -> scenario.Facts:
        """Something happens"""
        play.expect("something", lambda: False)
        return {}

    monkeypatch.setattr(scenario, "PATIENCE", 0.01)
    monkeypatch.setattr(scenario, "STEPS", (never, never))
    stage = FakeStage()
    assert not scenario.play(stage)  # type: ignore[arg-type]
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["kind"], each.get("state")) for each in told] == [
        ("step", "begins"),
        ("step", "missed"),
        ("summary", None),
    ]
    assert told[1]["facts"] == {"because": "something: not seen within 0.01 s"}
    assert told[2]["facts"]["steps"] == "0 of 2 happened"
    assert stage.stopped


def test_without_any_ipvs_the_lab_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(guest, "IPVS_STATE", tmp_path / "none")
    monkeypatch.setattr(guest.shutil, "which", lambda *_, **__: None)
    with pytest.raises(HostError, match="apt install user-mode-linux"):
        guest.run(["true"], timeout=5)
