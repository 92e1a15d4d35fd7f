"""The `script` check: a program on this machine, judged by its exit code (keepalived MISC_CHECK).

0 is a pass and anything else a failure; with `dynamic_weight` 1 is the only failure and 2 to 255
are passes that ask for the weights 0 to 253. Programs are started by a process of their own
(`programs.spawner`): forking a director takes milliseconds, in which no other check would run.
"""

from __future__ import annotations

import json
import select
from collections.abc import Mapping
from typing import Any

from lvsha.core.health import Advice
from lvsha.core.plan import Check
from lvsha.core.probes import ScriptProbe
from lvsha.errors import InconclusiveError, ProbeError
from lvsha.probes import faults
from lvsha.probes.engine import Attempt, Finding, ready
from lvsha.programs import running
from lvsha.programs.running import ANSWER_LIMIT, PATH
from lvsha.programs.words import first_line, signal_name


def script(check: Check) -> Attempt:
    """An attempt runs the program once; at the deadline it is killed with its process group."""
    spec = check.probe
    assert isinstance(spec, ScriptProbe)
    request = {
        "exec": spec.exec,
        "user": spec.user,
        "environment": {
            "PATH": PATH,
            "LVSHA_ADDRESS": str(check.address),
            "LVSHA_PORT": str(check.port),
        },
    }
    message = json.dumps(request).encode()
    doing = f"running {spec.exec[0]}"

    async def attempt() -> str | Finding:
        try:
            answer = running.start(message)
        except OSError as error:
            faults.at_once(error.errno)
        try:
            await ready(answer.fileno(), select.EPOLLIN, doing)
            said = answer.recv(ANSWER_LIMIT)
        finally:
            answer.close()
        if not said:
            raise InconclusiveError("this machine: the process that runs scripts has died")
        return _judged(spec, json.loads(said))

    return attempt


def _judged(spec: ScriptProbe, answer: Mapping[str, Any]) -> str | Finding:
    if "fault" in answer:
        raise InconclusiveError(f"this machine: {answer['fault']}")
    code = answer["code"]
    if code == 0:
        return "exit code 0"
    if spec.dynamic_weight and code > 1:
        return Finding(f"exit code {code}, weight {code - 2}", advice=Advice(weight=code - 2))
    how = f"exit code {code}" if code > 0 else f"killed by {signal_name(-code)}"
    raise ProbeError(how + first_line(answer["output"]))
