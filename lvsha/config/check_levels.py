"""Health checks put together from their levels: `defaults`, the service, the real server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pydantic import ValidationError

from lvsha.config.checks import CHECKS, PACE, CheckMistake, CommonCheck
from lvsha.config.document import KeyPath, Report
from lvsha.config.mapping import CUT, Cut
from lvsha.config.scalars import show_seconds
from lvsha.config.through_vip import judge_via
from lvsha.config.wording import not_one_of, report_errors
from lvsha.core.detour import Detour, Origin
from lvsha.core.plan import Check
from lvsha.core.probes import Probe
from lvsha.core.types import Address


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """A check as far as it is known at one level.

    `values` are the keys given so far and `origin` the level that gave each; `at` is the
    deepest level that said anything.
    """

    kind: str | None
    values: Mapping[str, Any]
    origin: Mapping[str, KeyPath]
    at: KeyPath


_ORIGIN = frozenset({"source", "device", "mark"})
"""Keys that say how a probe's packets leave."""

Single: TypeAlias = CheckSpec | Cut | None
"""None: no check. CUT: a mistake, already reported, leaves it unknown."""


@dataclass(frozen=True, slots=True)
class SeveralChecks:
    """A list of checks. `above` is the last single check over it, from which each inherits."""

    above: Single
    checks: tuple[CheckSpec, ...]


Level: TypeAlias = Single | SeveralChecks


def refine(above: Level, given: Any, at: KeyPath, report: Report) -> Level:
    """The check or checks at `at`, where the file gives `given` and the level above had `above`.

    A list, and a check with a type of its own, take the place of a list; keys without a type
    refine each of its checks.
    """
    if given is None:
        return above
    if given == "none":
        return None
    if isinstance(above, SeveralChecks):
        if isinstance(given, dict) and "type" not in given:
            return _several(above.above, [(each, given, at) for each in above.checks], report)
        above = above.above
    if isinstance(given, list):
        items = [(above, item, (*at, i)) for i, item in enumerate(given)]
        return _several(above, items, report)
    return _refine(above, given, at, report)


def _several(
    above: Single, items: Sequence[tuple[Single, Mapping[str, Any], KeyPath]], report: Report
) -> Level:
    """CUT where one of them is: what the others come to says nothing of the server."""
    checks: list[CheckSpec] = []
    cut = False
    for over, given, at in items:
        check = _refine(over, given, at, report)
        if not isinstance(check, CheckSpec):
            cut = True
        elif any(each.kind == check.kind and each.values == check.values for each in checks):
            report.wrong(at, "the same check is already in this list")
        else:
            checks.append(check)
    return CUT if cut else SeveralChecks(above, tuple(checks))


def _refine(above: Single, given: Mapping[str, Any], at: KeyPath, report: Report) -> Single:
    inherited = above if isinstance(above, CheckSpec) else None
    kind = given.get("type", inherited.kind if inherited else None)
    if above is CUT and "type" not in given:
        return CUT
    model = _model(kind, given, at, report)
    if model is None:
        return CUT
    try:
        level = model.model_validate(given)
    except ValidationError as error:
        report_errors(report, error, model, at)
        return CUT
    return _merge(inherited, kind, level, at)


def _model(
    kind: object, given: Mapping[str, Any], at: KeyPath, report: Report
) -> type[CommonCheck] | None:
    if kind is None:
        if given.keys() <= CommonCheck.model_fields.keys():
            return CommonCheck
        report.wrong(at, "missing key 'type'", f"one of {', '.join(CHECKS)}")
        return None
    if not isinstance(kind, str) or kind not in CHECKS:
        report.wrong((*at, "type"), *not_one_of(kind, tuple(CHECKS)))
        return None
    return CHECKS[kind]


def _merge(
    inherited: CheckSpec | None, kind: str | None, level: CommonCheck, at: KeyPath
) -> CheckSpec:
    values: dict[str, Any] = {}
    origin: dict[str, KeyPath] = {}
    if inherited is not None:
        same = inherited.kind == kind
        kept = [key for key in inherited.values if same or key in PACE]
        values.update((key, inherited.values[key]) for key in kept)
        origin.update((key, inherited.origin[key]) for key in kept)
    given = level.model_fields_set - {"type"}
    values.update((key, getattr(level, key)) for key in given)
    origin.update(dict.fromkeys(given, at))
    return CheckSpec(kind, values, origin, at)


@dataclass(frozen=True, slots=True)
class Settled:
    """A whole check, but for the real server it is aimed at. `spec` is what it comes from."""

    spec: CheckSpec
    probe: Probe
    common: CommonCheck

    def aimed_at(self, address: Address, port: int, detour: Detour | None = None) -> Check:
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
            _origin(common, detour),
        )


def _origin(common: CommonCheck, detour: Detour | None) -> Origin | None:
    origin = Origin(common.source, common.device, common.mark or 0, detour)
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
    if spec.kind is None:
        report.wrong(spec.at, "missing key 'type'", f"one of {', '.join(CHECKS)}")
        return None
    check = CHECKS[spec.kind].model_construct(**_within_interval(spec.values))
    if check.timeout > check.interval:
        _report_pace(spec, check, report)
        return None
    by_way = judge_via(spec.kind, check, spec.values.keys())
    mistakes = [*_judge_origin(spec, check), *by_way, *check.mistakes()]
    for mistake in mistakes:
        report_mistake(spec, mistake, report)
    return None if mistakes else Settled(spec, check.probe(), check)


def report_mistake(spec: CheckSpec, mistake: CheckMistake, report: Report) -> None:
    """At the key's own place, on whichever level it was given."""
    at = (*spec.origin.get(mistake.key, spec.at), mistake.key) if mistake.key else spec.at
    report.wrong(at, mistake.message, mistake.hint)


def _judge_origin(spec: CheckSpec, check: CommonCheck) -> Iterator[CheckMistake]:
    if not check.uses_network:
        for key in _ORIGIN & spec.values.keys():
            yield CheckMistake(key, f"a {spec.kind} check sends no packets of its own")


def _within_interval(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """A timeout nobody gave is no longer than the interval somebody did."""
    if "timeout" in values or "interval" not in values:
        return values
    longest: float = CommonCheck.model_fields["timeout"].default
    return {**values, "timeout": min(longest, values["interval"])}


def _report_pace(spec: CheckSpec, check: CommonCheck, report: Report) -> None:
    timeout, interval = show_seconds(check.timeout), show_seconds(check.interval)
    timeout_at, interval_at = spec.origin["timeout"], spec.origin.get("interval", ())
    if len(timeout_at) >= len(interval_at):
        report.wrong((*timeout_at, "timeout"), f"{timeout} is longer than interval {interval}")
    else:
        message = f"{interval} is shorter than timeout {timeout}"
        report.wrong((*interval_at, "interval"), message)
