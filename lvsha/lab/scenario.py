"""The demonstration's story, played inside the lab: what happens, and how long it took.

Times are what the logs and the client saw; a step that does not come about in time ends the story.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from lvsha.errors import LvshaError
from lvsha.lab.client import Outcome
from lvsha.lab.stage import PORT, REQUEST_TIMEOUT, Record, Stage, tell
from lvsha.lab.topology import FRONT, REAL_SERVER, Lab

PATIENCE = 120.0
"""Seconds a step may take: a guest on a busy machine starts its processes slowly."""
LULL = 3.0
"""Seconds of steady traffic to look at between two steps."""

VICTIM = f"{FRONT.ipv4}{REAL_SERVER + 1}:{PORT}"
Facts = dict[str, str]


class MissedError(LvshaError):
    """Something that should have happened did not."""


@dataclass(slots=True)
class Play:
    """The stage, and the facts gathered for the summary."""

    stage: Stage
    facts: Facts = field(default_factory=dict)

    @property
    def record(self) -> Record:
        return self.stage.record

    def expect(self, what: str, seen: Callable[[], bool]) -> None:
        if not self.record.wait(seen, PATIENCE):
            raise MissedError(f"{what}: not seen within {PATIENCE:g} s")

    def logged(self, node: str, event: str, since: float, **fields: str) -> float:
        """The moment a director said so, waited for."""
        wanted = " ".join([event, *(f"{key}={value}" for key, value in fields.items())])
        self.expect(
            f"{node}: {wanted}",
            lambda: self.record.first(node, event, since, **fields) is not None,
        )
        found = self.record.first(node, event, since, **fields)
        assert found
        return found.at


def start(play: Play) -> Facts:
    """Two directors and three real servers start"""
    began = time.time()
    if not play.stage.set_up_real_servers():
        raise MissedError("lvsha realserver up: failed")
    for node in play.stage.directors.values():
        node.start()
    play.stage.watch()
    play.expect("both directors ready", lambda: _is_settled(play.record))
    return {"ready after": _seconds(time.time() - began)}


def balance(play: Play) -> Facts:
    """A client asks at a steady rate"""
    play.stage.start_traffic()
    everybody = set(play.stage.real_servers)
    play.expect("all real servers serving", lambda: _servers(play.record.outcomes) == everybody)
    time.sleep(LULL)
    return _traffic(play.record.outcomes)


def lose_real_server(play: Play) -> Facts:
    """A real server dies"""
    cut = time.time()
    play.stage.real_servers["rs2"].link(up=False)
    detected = [
        play.logged(node, "health.changed", cut, server=VICTIM, new="DOWN")
        for node in play.stage.directors
    ]
    removed = play.logged("lb1", "ipvs.applied", detected[0])
    gone = _monotonic(removed)
    time.sleep(REQUEST_TIMEOUT + LULL)
    if any(outcome.server == "rs2" for outcome in _since(play, gone)):
        raise MissedError("rs2 was sent a connection after its removal")
    _expect_service(play, gone)
    play.facts["time to detect a dead real server"] = _seconds(detected[0] - cut)
    return {
        "detected after": _seconds(detected[0] - cut),
        "failed until then": str(_failures(_since(play, _monotonic(cut), gone))),
        "failed after": str(_failures(_since(play, gone))),
    }


def regain_real_server(play: Play) -> Facts:
    """The real server returns"""
    back = time.time()
    play.stage.real_servers["rs2"].link(up=True)
    detected = play.logged("lb1", "health.changed", back, server=VICTIM, new="UP")
    since = _monotonic(back)
    play.expect("rs2 serving again", lambda: "rs2" in _servers(_since(play, since)))
    play.facts["time to take a real server back"] = _seconds(detected - back)
    time.sleep(LULL)
    return {"back after": _seconds(detected - back)} | _traffic(_since(play, since))


def lose_master(play: Play) -> Facts:
    """The master director dies"""
    cut = time.time()
    play.stage.directors["lb1"].die()
    dead = time.monotonic()
    taken = play.logged("lb2", "vrrp.state", cut, new="MASTER")
    play.expect("the client served by lb2", lambda: bool(_served(_since(play, dead))))
    since = _monotonic(cut)
    first = min(outcome.ended for outcome in _served(_since(play, dead)))
    time.sleep(REQUEST_TIMEOUT + LULL)
    play.facts["time for the backup to take over"] = _seconds(taken - cut)
    play.facts["time to fail over, seen by the client"] = _seconds(first - since)
    return {
        "taken over after": _seconds(taken - cut),
        "client served again after": _seconds(first - since),
        "failed": str(_failures(_since(play, since))),
    }


def regain_master(play: Play) -> Facts:
    """The old master returns"""
    back = time.time()
    play.stage.boot_director("lb1")
    taken = play.logged("lb1", "vrrp.state", back, new="MASTER")
    play.logged("lb2", "vrrp.state", back, new="BACKUP")
    play.expect("both directors ready", lambda: _is_settled(play.record))
    _expect_service(play, _monotonic(taken))
    time.sleep(REQUEST_TIMEOUT + LULL)
    failed = _failures(_since(play, _monotonic(back)))
    return {"master again after": _seconds(taken - back), "failed": str(failed)}


STEPS = (start, balance, lose_real_server, regain_real_server, lose_master, regain_master)


def play(stage: Stage) -> bool:
    """All steps in order, with their facts told; whether every one happened."""
    acts = Play(stage)
    done = 0
    try:
        for number, step in enumerate(STEPS, 1):
            tell("step", number=number, title=step.__doc__, state="begins")
            facts = step(acts)
            tell("step", number=number, title=step.__doc__, state="done", facts=facts)
            done = number
    except LvshaError as error:
        title = STEPS[done].__doc__
        tell("step", number=done + 1, title=title, state="missed", facts={"because": str(error)})
    stage.stop()
    facts = {"steps": f"{done} of {len(STEPS)} happened"} | _traffic(stage.record.outcomes)
    tell("summary", facts=facts | acts.facts, happened=done == len(STEPS))
    return done == len(STEPS)


def main() -> int:
    with Lab() as lab, TemporaryDirectory() as folder:
        tell("step", number=0, title="The lab is built", state="begins")
        stage = Stage(lab, Path(folder))
        tell("step", number=0, title="The lab is built", state="done")
        return 0 if play(stage) else 1


def _is_settled(record: Record) -> bool:
    """lb1 MASTER, lb2 BACKUP, all checks decided, nothing down."""
    states = {"lb1": "MASTER", "lb2": "BACKUP"}
    for node, wanted in states.items():
        status = record.statuses.get(node)
        if not status or not status["ready"]:
            return False
        routers = [router["state"] for router in status["virtual_routers"]]
        healths = [
            server["health"]
            for service in status["virtual_services"]
            for server in service["real_servers"]
        ]
        if routers != [wanted] or set(healths) != {"UP"}:
            return False
    return True


def _expect_service(play: Play, since: float) -> None:
    play.expect("requests served", lambda: len(_served(_since(play, since))) >= 5)


def _since(play: Play, since: float, until: float = float("inf")) -> list[Outcome]:
    """Outcomes of requests that began then. Monotonic seconds."""
    return [outcome for outcome in play.record.outcomes if since <= outcome.began < until]


def _served(outcomes: list[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.server]


def _servers(outcomes: list[Outcome]) -> set[str]:
    return {outcome.server for outcome in outcomes if outcome.server}


def _failures(outcomes: list[Outcome]) -> int:
    return len(outcomes) - len(_served(outcomes))


def _traffic(outcomes: list[Outcome]) -> Facts:
    times = [outcome.ended - outcome.began for outcome in _served(outcomes)]
    facts = {"requests": str(len(outcomes)), "failed requests": str(_failures(outcomes))}
    return facts | ({"median time": f"{median(times) * 1000:.0f} ms"} if times else {})


def _monotonic(at: float) -> float:
    """A moment of the wall clock, as the client's clock has it."""
    return at - time.time() + time.monotonic()


def _seconds(duration: float) -> str:
    return f"{duration:.1f} s"


if __name__ == "__main__":
    sys.exit(main())
