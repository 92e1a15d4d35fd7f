"""Running a program for the VRRP process, which itself never forks: an advertisement may be due."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lvsha.programs import running
from lvsha.programs.running import ANSWER_LIMIT, PATH
from lvsha.programs.words import first_line, signal_name


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended. `code` None: it could not be run, or not to its end; negative: a signal.

    `words` says it for people.
    """

    code: int | None
    words: str


async def run(
    program: tuple[str, ...], user: str, within: float, environment: Mapping[str, str]
) -> Ended:
    """Run a program and wait for it; after `within` seconds it is killed with its group."""
    request = {
        "exec": program,
        "user": user,
        "environment": {"PATH": PATH, **environment},
    }
    loop = asyncio.get_running_loop()
    try:
        answer = running.start(json.dumps(request).encode())
    except OSError as error:
        return Ended(None, f"could not be run: {error.strerror}")
    try:
        async with asyncio.timeout(within):
            said = await loop.sock_recv(answer, ANSWER_LIMIT)
    except TimeoutError:
        return Ended(None, f"took longer than {within:g} s")
    except OSError as error:
        return Ended(None, f"could not be run: {error.strerror}")
    finally:
        loop.call_soon(answer.close)  # the loop lets go of it first
    if not said:
        return Ended(None, "could not be run: the process that runs programs has died")
    return _read(json.loads(said))


def _read(answer: Mapping[str, Any]) -> Ended:
    if "fault" in answer:
        return Ended(None, f"could not be run: {answer['fault']}")
    code = int(answer["code"])
    words = first_line(str(answer["output"])) if code else ""
    how = f"exited with {code}" if code >= 0 else f"was killed by {signal_name(-code)}"
    return Ended(code, how + words)
