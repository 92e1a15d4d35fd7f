"""Whole health checks: what the levels of a check amount to, its keys judged together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lvsha.config.check_levels import CheckSpec, Level, SeveralChecks
from lvsha.config.checks import CHECKS, CheckMistake, CommonCheck
from lvsha.config.document import Report
from lvsha.config.mapping import Unsound
from lvsha.config.per_node import of_node
from lvsha.config.scalars import show_seconds
from lvsha.config.through_vip import judge_via
from lvsha.core.detour import Detour, Origin
from lvsha.core.plan import Check
from lvsha.core.probes import Probe
from lvsha.core.types import Address

_ORIGIN = frozenset({"source", "device", "mark"})
"""Keys that say how a probe's packets leave."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A whole check, but for the real server it is aimed at. `spec` is what it comes from."""

    spec: CheckSpec
    probe: Probe
    common: CommonCheck

    def aimed_at(
        self, address: Address, port: int, node: str, detour: Detour | None = None
    ) -> Check:
        """The check as this node runs it."""
        common = self.common
        return Check(
            self.probe,
            common.address or address,
            (common.port or port) if common.uses_port else 0,
            common.interval,
            common.timeout,
            common.rise,
            common.fall,
            common.interval_down,
            common.interval_transition,
            common.jitter,
            _origin(common, node, detour),
        )


def _origin(common: CommonCheck, node: str, detour: Detour | None) -> Origin | None:
    source, device = of_node(common.source, node), of_node(common.device, node)
    origin = Origin(source, device, common.mark or 0, detour)
    return None if origin == Origin() else origin


def settle(level: Level, report: Report) -> tuple[Settled, ...]:
    """The whole checks that a level amounts to; mistakes are reported, and it is none then."""
    match level:
        case CheckSpec():
            settled = [_settle(level, report)]
        case SeveralChecks(_, checks):
            settled = [_settle(check, report) for check in checks]
        case _:
            return ()
    whole = tuple(each for each in settled if each is not None)
    return whole if len(whole) == len(settled) else ()


def _settle(spec: CheckSpec, report: Report) -> Settled | None:
    """The whole check a spec amounts to; None, and a mistake reported, where it is none."""
    values = _within_interval(spec.values)
    if spec.kind is None:
        _is_well(CommonCheck.model_construct(**values), spec, report)
        return None
    check = CHECKS[spec.kind].model_construct(**values)
    return Settled(spec, check.probe(), check) if _is_well(check, spec, report) else None


def _is_well(check: CommonCheck, spec: CheckSpec, report: Report) -> bool:
    """Judge a check's keys against each other."""
    for key in spec.unsound:
        check.forget(key)
    mistakes = [
        *_judge_pace(check, spec),
        *_judge_origin(check, spec),
        *_judge_way(check, spec),
        *_judge_own(check),
    ]
    for mistake in mistakes:
        report_mistake(spec, mistake, report)
    return not mistakes and not spec.unsound


def report_mistake(spec: CheckSpec, mistake: CheckMistake, report: Report) -> None:
    """At the key's own place, on whichever level it was given."""
    at = (*spec.origin.get(mistake.key, spec.at), mistake.key) if mistake.key else spec.at
    report.wrong(at, mistake.message, mistake.hint)


def _judge_way(check: CommonCheck, spec: CheckSpec) -> Iterator[CheckMistake]:
    with suppress(Unsound):
        if spec.kind is not None:
            yield from judge_via(spec.kind, check, spec.values.keys())


def _judge_own(check: CommonCheck) -> Iterator[CheckMistake]:
    with suppress(Unsound):
        yield from check.mistakes()


def _judge_origin(check: CommonCheck, spec: CheckSpec) -> Iterator[CheckMistake]:
    if not check.uses_network:
        for key in _ORIGIN & spec.values.keys():
            yield CheckMistake(key, f"a {spec.kind} check sends no packets of its own")


def _within_interval(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A timeout nobody gave is no longer than the interval somebody did."""
    if "timeout" in values or "interval" not in values:
        return values
    longest: float = CommonCheck.model_fields["timeout"].default
    return {**values, "timeout": min(longest, values["interval"])}


def _judge_pace(check: CommonCheck, spec: CheckSpec) -> Iterator[CheckMistake]:
    """The mistake is with whoever spoke last."""
    with suppress(Unsound):
        if check.timeout <= check.interval:
            return
        timeout, interval = show_seconds(check.timeout), show_seconds(check.interval)
        if len(spec.origin["timeout"]) >= len(spec.origin.get("interval", ())):
            yield CheckMistake("timeout", f"{timeout} is longer than interval {interval}")
        else:
            yield CheckMistake("interval", f"{interval} is shorter than timeout {timeout}")
