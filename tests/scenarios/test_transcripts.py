"""Stories of virtual routers, each a text file: a script, a line `---`, and all that came of it.

Script lines: `router NAME [priority N] [interval S] [preempt yes|no] [address A]` and the like,
then `SECONDS VERB NAME [ARGUMENTS]` with a verb of `tests.simulation`, and `SECONDS end`. Routers
named MACHINE/SEGMENT are in a sync group with all of their machine, which starts, stops and dies
as one.
`pytest tests/scenarios --rewrite` writes what comes of them now: read the difference.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_interface
from pathlib import Path

import pytest

from lvsha.core.mastership import StepDown
from tests.group_simulation import GroupSimulation
from tests.simulation import Simulation, described, virtual_router

HERE = Path(__file__).parent
RULE = "---\n"

WORDS = {
    "priority": lambda word: {"priority": int(word)},
    "interval": lambda word: {"advertisement_interval": float(word)},
    "preempt_delay": lambda word: {"preempt_delay": float(word)},
    "startup_delay": lambda word: {"startup_delay": float(word)},
    "preempt": lambda word: {"preempt": word == "yes"},
    "address": lambda word: {"source": ip_address(word)},
    "vips": lambda word: {"addresses": tuple(ip_interface(vip) for vip in word.split(","))},
}


@pytest.mark.parametrize("story", sorted(path.stem for path in HERE.glob("*.txt")))
def test_the_story_ends_as_it_was_written_down(story, pytestconfig):
    path = HERE / f"{story}.txt"
    script, _, expected = path.read_text().partition(RULE)
    happened = told(script)
    if pytestconfig.getoption("--rewrite"):
        path.write_text(script + RULE + happened)
    else:
        assert happened == expected


def told(script: str) -> str:
    """What comes of a script, a line for every action."""
    lines = [line.split() for line in script.splitlines() if line and not line.startswith("#")]
    routers = [parameters(words[1:]) for words in lines if words[0] == "router"]
    grouped = any("/" in vr.name for vr in routers)
    world = GroupSimulation(*routers) if grouped else Simulation(*routers)
    for seconds, verb, *arguments in (words for words in lines if words[0] != "router"):
        world.run_until(float(seconds))
        if verb != "end":
            perform(world, verb, *arguments)
    return "".join(f"{at:8.4f} {name} {described(action)}\n" for at, name, action in world.log)


def parameters(words: list[str]):
    name, *pairs = words
    changes = {}
    for key, word in zip(pairs[::2], pairs[1::2], strict=True):
        changes |= WORDS[key](word)
    return virtual_router(name, **changes)


def perform(world: Simulation, verb: str, name: str, *arguments: str) -> None:
    match verb:
        case "fault":
            world.fault(name, *([" ".join(arguments)] if arguments else []))
        case "set_priority":
            world.set_priority(name, int(arguments[0]))
        case "stall":
            world.stall(name, float(arguments[0]))
        case "reconfigure":
            key, word = arguments
            world.reconfigure(name, **WORDS[key](word))
        case "start" | "stop" | "kill" if isinstance(world, GroupSimulation):
            world.each(name, verb)
        case "step_down":
            world.feed(world.nodes[name], StepDown(" ".join(arguments), aside=True))
        case "start" | "stop" | "kill" | "cut" | "join":
            getattr(world, verb)(name)
        case _:
            raise ValueError(f"no such verb: {verb}")
