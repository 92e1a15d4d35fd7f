"""Tracked files and processes, through a process that watches them (`programs.watcher`)."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from lvsha.core.tracking import Finding, TrackedFile, TrackedProcess, Verdict
from lvsha.programs import watcher
from lvsha.programs.launch import launch
from lvsha.runtime.logs import log

Watched: TypeAlias = TrackedFile | TrackedProcess

RESTART = 1.0
"""Seconds until a watcher that died is followed by another."""


async def follow(targets: frozenset[Watched], found: Callable[[Watched, Finding], None]) -> None:
    """Tell what is found of each target, and when that changes, until cancelled."""
    by_name: dict[tuple[str, str], Watched] = {_name(target): target for target in targets}
    while True:
        try:
            end = launch(watcher)
        except OSError as error:
            reason = str(error.strerror)
        else:
            await _listen(end, by_name, found)
            reason = "the process that watches has died"
        log.error("vrrp.unknown", target=", ".join(map(str, targets)), reason=reason)
        await asyncio.sleep(RESTART)


async def _listen(
    end: socket.socket,
    by_name: Mapping[tuple[str, str], Watched],
    found: Callable[[Watched, Finding], None],
) -> None:
    """Until the watcher is gone."""
    loop = asyncio.get_running_loop()
    try:
        end.send(json.dumps(_request(by_name)).encode())
        while data := await loop.sock_recv(end, watcher.REQUEST_LIMIT):
            told = json.loads(data)
            if target := by_name.get((told["kind"], told["name"])):
                if "fault" in told:  # what was believed stays so
                    log.warning("vrrp.unknown", target=str(target), reason=told["fault"])
                else:
                    found(target, _finding(target, told))
    except OSError:
        return
    finally:
        loop.call_soon(end.close)  # the loop lets go of it first


def _request(names: Mapping[tuple[str, str], Watched]) -> dict[str, list[str]]:
    return {
        "files": [name for kind, name in names if kind == "file"],
        "processes": [name for kind, name in names if kind == "process"],
    }


def _name(target: Watched) -> tuple[str, str]:
    if isinstance(target, TrackedFile):
        return "file", target.path
    return "process", target.name


def _finding(target: Watched, told: Mapping[str, Any]) -> Finding:
    if isinstance(target, TrackedProcess):
        if told["count"]:
            return Finding(Verdict.WELL, "runs", told["count"])
        return Finding(Verdict.ILL, "is not running")
    value = int(told["value"])
    return Finding(Verdict.ILL if value else Verdict.WELL, f"says {value}", value)
