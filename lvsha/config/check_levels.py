"""Health checks put together from their levels: `defaults`, the service, the real server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from pydantic import ValidationError

from lvsha.config.checks import CHECKS, DEFAULT_TYPE, PACE, CommonCheck
from lvsha.config.document import KeyPath, Report
from lvsha.config.mapping import CUT, Cut, Unsound
from lvsha.config.wording import not_one_of, report_errors


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """A check as far as it is known at one level.

    `values` are the keys given so far and `origin` the level that gave each; `at` is the
    deepest level that said anything. `unsound` are keys with mistakes, already reported; kind
    None: one of them is the type.
    """

    kind: str | None
    values: Mapping[str, Any]
    origin: Mapping[str, KeyPath]
    at: KeyPath
    unsound: frozenset[str] = frozenset()


Single: TypeAlias = CheckSpec | Cut | None
"""None: no check. CUT: a mistake, already reported, leaves it unknown."""


@dataclass(frozen=True, slots=True)
class SeveralChecks:
    """A list of checks. `above` is the last single check over it, from which each inherits."""

    above: Single
    checks: tuple[CheckSpec, ...]


Level: TypeAlias = Single | SeveralChecks


class HasCheck(Protocol):
    """`defaults`, a service or a real server, as the file has it."""

    @property
    def check(self) -> Any: ...


def level_of(holder: HasCheck | None, above: Level, at: KeyPath, report: Report) -> Level:
    """The check or checks at one level; CUT where it is not known what the level says."""
    try:
        return CUT if holder is None else refine(above, holder.check, at, report)
    except Unsound:
        return CUT


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
        elif any(_are_same(each, check) for each in checks):
            report.wrong(at, "the same check is already in this list")
        else:
            checks.append(check)
    return CUT if cut else SeveralChecks(above, tuple(checks))


def _are_same(one: CheckSpec, other: CheckSpec) -> bool:
    is_known = not one.unsound | other.unsound
    return is_known and one.kind == other.kind and one.values == other.values


def _refine(above: Single, given: Mapping[str, Any], at: KeyPath, report: Report) -> Single:
    if above is CUT and "type" not in given:
        return CUT
    inherited = above if isinstance(above, CheckSpec) else None
    kind = _kind(inherited, given, at, report)
    model: type[CommonCheck] = CHECKS[kind] if kind else CommonCheck
    if kind is None:
        given = {key: value for key, value in given.items() if key in model.model_fields}
    level, faulty = _sound_part(model, given, at, report)
    return _merge(inherited, kind, level, faulty, at)


def _kind(
    inherited: CheckSpec | None, given: Mapping[str, Any], at: KeyPath, report: Report
) -> str | None:
    """The type of a check; None, and a mistake reported, where it is none."""
    if "type" not in given:
        return inherited.kind if inherited else _unsaid_kind(given, at, report)
    word = given["type"]
    if isinstance(word, str) and word in CHECKS:
        return word
    if word is not CUT:
        report.wrong((*at, "type"), *not_one_of(word, tuple(CHECKS)))
    return None


def _unsaid_kind(given: Mapping[str, Any], at: KeyPath, report: Report) -> str | None:
    default = CHECKS[DEFAULT_TYPE].model_fields
    for key in given:
        if key not in default and any(key in model.model_fields for model in CHECKS.values()):
            hint = f"without it the check is {DEFAULT_TYPE}, which has no {key!r}"
            report.wrong(at, "missing key 'type'", hint)
            return None
    return DEFAULT_TYPE


def _sound_part(
    model: type[CommonCheck], given: Mapping[str, Any], at: KeyPath, report: Report
) -> tuple[CommonCheck, frozenset[str]]:
    """What is right at one level, and the keys that are not, whose mistakes are reported."""
    faulty = {key for key, value in given.items() if _is_cut(value)}
    rest = {key: value for key, value in given.items() if key not in faulty}
    try:
        return model.model_validate(rest), frozenset(faulty)
    except ValidationError as error:
        report_errors(report, error, model, at)
        wrong = {str(detail["loc"][0]) for detail in error.errors(include_url=False)}
    sound = {key: value for key, value in rest.items() if key not in wrong}
    return model.model_validate(sound), frozenset(faulty | wrong)


def _is_cut(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_is_cut, value.values()))
    return any(map(_is_cut, value)) if isinstance(value, list) else value is CUT


def _merge(
    inherited: CheckSpec | None,
    kind: str | None,
    level: CommonCheck,
    faulty: frozenset[str],
    at: KeyPath,
) -> CheckSpec:
    values: dict[str, Any] = {}
    origin: dict[str, KeyPath] = {}
    unsound = set() if kind else {"type"}
    given = level.model_fields_set - {"type"}
    if inherited is not None:
        same = inherited.kind == kind
        kept = [key for key in inherited.values if same or key in PACE]
        values.update((key, inherited.values[key]) for key in kept)
        origin.update((key, inherited.origin[key]) for key in kept)
        unsound |= {key for key in inherited.unsound - given if same or key in PACE}
    values.update((key, getattr(level, key)) for key in given)
    origin.update(dict.fromkeys(given, at))
    return CheckSpec(kind, values, origin, at, frozenset(unsound | faulty))
