"""The demonstration on a terminal: a live picture, or plain lines where there is no terminal."""

from __future__ import annotations

import sys
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from rich.console import Group, RenderableType
from rich.live import Live
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

News = Mapping[str, Any]

STRIP, LOG_LINES = 78, 6
COLOURS = {
    "MASTER": "bold green",
    "BACKUP": "cyan",
    "UP": "green",
    "DOWN": "bold red",
    "FAULT": "bold red",
    "gone": "bold red",
}
SERVER_COLOURS = ("green", "cyan", "magenta")
MARKS = {"begins": "▶", "done": "✓", "missed": "✗"}
MARK_COLOURS = {"begins": "yellow", "done": "green", "missed": "bold red"}
SHOWN_EVENTS = ("daemon.", "vrrp.", "health.", "service.", "ipvs.", "child.", "kernel.")


class View(Protocol):
    """What news are shown to."""

    def show(self, news: News) -> None: ...

    def close(self) -> None: ...


class Lines:
    """Steps and transitions as they come, a line each; traffic only within a step's facts."""

    def show(self, news: News) -> None:
        line = _line(news)
        if line:
            clock = datetime.fromtimestamp(news["at"]).strftime("%H:%M:%S")
            sys.stdout.write(f"{clock} {line}\n")
            sys.stdout.flush()

    def close(self) -> None:
        sys.stdout.flush()


@dataclass(slots=True)
class Scene:
    """What the picture shows."""

    steps: dict[int, News] = field(default_factory=dict)
    statuses: dict[str, News | None] = field(default_factory=dict)
    outcomes: deque[str | None] = field(default_factory=lambda: deque(maxlen=STRIP))
    answered: Counter[str | None] = field(default_factory=Counter)
    log: deque[str] = field(default_factory=lambda: deque(maxlen=LOG_LINES))

    def take(self, news: News) -> None:
        match news["kind"]:
            case "step":
                self.steps[news["number"]] = news
            case "status":
                self.statuses[news["node"]] = news["status"]
            case "traffic":
                servers = [server for server, _ in news["outcomes"]]
                self.outcomes.extend(servers)
                self.answered.update(servers)
            case _:
                if line := _line(news):
                    self.log.append(line)


class Picture:
    """The whole cluster at a glance, redrawn as news comes."""

    def __init__(self) -> None:
        self._scene = Scene()
        self._live = Live(draw(self._scene), refresh_per_second=4)
        self._live.start()

    def show(self, news: News) -> None:
        self._scene.take(news)
        self._live.update(draw(self._scene))

    def close(self) -> None:
        self._live.stop()


def draw(scene: Scene) -> RenderableType:
    """About 30 lines of 80 columns."""
    log = Text("\n".join(scene.log), style="dim", no_wrap=True, overflow="ellipsis")
    parts: dict[str, RenderableType] = {
        "directors": _directors(scene),
        "real servers, as the master has them": _real_servers(scene),
        "client": _traffic(scene),
        "story": _steps(scene),
        "log": log,
    }
    return Group(
        *(each for title, part in parts.items() for each in (_heading(title), part)),
    )


def _heading(title: str) -> Rule:
    return Rule(title, align="left", style="blue")


def _directors(scene: Scene) -> Table:
    table = _table("node", "router", "priority", "master", "processes")
    for node, status in sorted(scene.statuses.items()):
        if status is None:
            table.add_row(node, _coloured("gone"), "", "", "")
            continue
        pids = " ".join(f"{name} {pid}" for name, pid in status["pids"].items())
        for router in status["virtual_routers"]:
            state = _coloured(router["state"])
            priority = str(router["effective_priority"])
            table.add_row(node, state, priority, router["master"] or "unknown", pids)
    return table


def _real_servers(scene: Scene) -> Table:
    table = _table("server", "health", "weight", "active", "inactive", "last check")
    for service in (_master(scene) or {}).get("virtual_services", ()):
        for server in service["real_servers"]:
            table.add_row(
                f"{server['address']}:{server['port']}",
                _coloured(server["health"]),
                str(server["effective_weight"]),
                str(server["active_connections"]),
                str(server["inactive_connections"]),
                server["message"],
            )
    return table


def _master(scene: Scene) -> News | None:
    """The status of the director that holds the VIP; of any that answers before there is one."""
    answering = [status for status in scene.statuses.values() if status]
    for status in answering:
        if any(router["state"] == "MASTER" for router in status["virtual_routers"]):
            return status
    return answering[0] if answering else None


def _traffic(scene: Scene) -> Text:
    strip = Text()
    for server in scene.outcomes:
        strip.append(*(("✗", "bold red") if server is None else (server[-1], _of(server))))
    total, failed = scene.answered.total(), scene.answered[None]
    strip.append(f"\n{total} requests, ")
    strip.append(f"{failed} failed", style="bold red" if failed else "green")
    for server in sorted(name for name in scene.answered if name):
        strip.append(f"   {server} ", style=_of(server)).append(str(scene.answered[server]))
    return strip


def _of(server: str) -> str:
    return SERVER_COLOURS[int(server[-1]) % len(SERVER_COLOURS)]


def _steps(scene: Scene) -> Text:
    text = Text(no_wrap=True, overflow="ellipsis")
    for number, step in sorted(scene.steps.items()):
        text.append("\n" if number else "")
        text.append(f"{MARKS[step['state']]} {step['title']}  ", style=MARK_COLOURS[step["state"]])
        text.append(_facts(step), style="dim")
    return text


def _line(news: News) -> str:
    """A piece of news as one line; empty when it is not for a log."""
    match news["kind"]:
        case "step":
            facts = _facts(news)
            return f"{MARKS[news['state']]} {news['title']}" + (f": {facts}" if facts else "")
        case "log" if news["event"].startswith(SHOWN_EVENTS):
            skip = ("kind", "at", "ts", "level", "event", "cluster", "node")
            words = " ".join(f"{key}={value}" for key, value in news.items() if key not in skip)
            return f"  {news['node']} {news['event']} {words}"
        case "said":
            return f"  {news['node']} {news['text']}"
    return ""


def _facts(step: News) -> str:
    return ", ".join(f"{name} {value}" for name, value in step.get("facts", {}).items())


def _table(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, no_wrap=True, header_style="dim")
    return table


def _coloured(word: str) -> Text:
    return Text(word, style=COLOURS.get(word, "yellow"))
