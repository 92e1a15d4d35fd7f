"""Tracks, hooks, routes and sync groups: from the file's words to the plan, judged on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lvsha.config.document import KeyPath, Report
from lvsha.config.draft import Draft
from lvsha.config.following_schema import SyncGroup as GroupModel
from lvsha.config.following_schema import TrackItem, TrackScript
from lvsha.config.mapping import rule, sound
from lvsha.config.router_rules import family_of, priority_of
from lvsha.config.router_schema import VirtualRouter as RouterModel
from lvsha.config.scalars import show_seconds
from lvsha.config.wording import nearest
from lvsha.core.frames import Garp
from lvsha.core.moving import Hook, VirtualRoute, VirtualRule
from lvsha.core.plan import SyncGroup, VirtualRouter
from lvsha.core.tracking import (
    Target,
    Track,
    TrackedFile,
    TrackedInterface,
    TrackedProcess,
    TrackedRoute,
    TrackedScript,
    TrackedService,
)
from lvsha.core.types import Family, Network

_KINDS = ("interface", "service", "script", "file", "process", "route")
_TIMEOUT = 1.0


def judge_following(path: KeyPath, router: RouterModel, draft: Draft, report: Report) -> None:
    """Note what is wrong with what a router tracks and takes along."""
    _judge_tracks((*path, "track"), router, draft, report)
    _judge_routes((*path, "routes"), router, report)


@rule
def _judge_tracks(path: KeyPath, router: RouterModel, draft: Draft, report: Report) -> None:
    before: dict[Target, int] = {}
    for i, item in sound(router.track):
        at = (*path, i)
        _judge_item(at, item, draft, report)
        for target in _targets(item):
            first = before.setdefault(target, i)
            if first != i:
                report.wrong(at, f"{target} is tracked already")


@rule
def _judge_routes(path: KeyPath, router: RouterModel, report: Report) -> None:
    for i, route in sound(router.routes):
        if Family.of(route.to) is not Family.of(route.via):
            message = f"{route.via} is not of the family of {route.to}"
            report.wrong((*path, i, "via"), message)


@rule
def judge_paths(
    path: KeyPath, router: RouterModel, before: set[tuple[str, Network, int]], report: Report
) -> None:
    """Note what the kernel has once only: it can not come and go with two."""
    for i, route in sound(router.routes):
        if ("route", route.to, route.table) in before:
            message = f"{route.to} has a route in table {route.table} already"
            report.wrong((*path, "routes", i), message, "give it another table")
        before.add(("route", route.to, route.table))
    for i, each in enumerate(router.rules):
        if ("rule", each.source, each.table) in before:
            message = f"{each.source} has a rule to table {each.table} already"
            report.wrong((*path, "rules", i), message)
        before.add(("rule", each.source, each.table))


def follow(vr: VirtualRouter, router: RouterModel) -> VirtualRouter:
    """The plan's router with everything it tracks and takes along."""
    hook, garp = router.hooks.on_change, router.garp
    return replace(
        vr,
        tracks=tuple(
            Track(target, item.weight)
            for _, item in sound(router.track)
            for target in _targets(item)
        ),
        garp=Garp(garp.repeat, garp.delay, garp.refresh, garp.interval),
        hook=None if hook is None else Hook(hook.exec, hook.timeout, hook.user),
        virtual_mac=router.virtual_mac,
        routes=tuple(
            VirtualRoute(route.to, route.via, route.table) for _, route in sound(router.routes)
        ),
        rules=tuple(VirtualRule(rule.source, rule.table) for rule in router.rules),
    )


@rule
def judge_mac(
    path: KeyPath,
    node: str,
    router: RouterModel,
    before: dict[tuple[str, Family, int], str],
    report: Report,
) -> None:
    """Note a MAC address that another router `before` has on the same node."""
    if not router.virtual_mac:
        return
    identity = (node, family_of(router), router.virtual_router_id)
    first = before.setdefault(identity, router.name)
    if first != router.name:
        message = f"{first!r} has this virtual_router_id, and with it this MAC address, already"
        report.wrong((*path, "virtual_mac"), message)


def build_groups(draft: Draft, report: Report) -> tuple[SyncGroup, ...]:
    """The sync groups of the sound part of a file."""
    names: set[str] = set()
    holders: dict[str, str] = {}
    built = []
    for i, group in _groups(draft) or ():
        path: KeyPath = ("sync_groups", i)
        if group.name in names:
            message = f"{group.name!r} is already the name of another group"
            report.wrong((*path, "name"), message)
        names.add(group.name)
        _judge_members(path, group, holders, draft, report)
        _judge_order(path, group, draft, report)
        built.append(_group(group))
    return tuple(group for group in built if group is not None)


@rule
def _groups(draft: Draft) -> tuple[tuple[int, GroupModel], ...]:
    return tuple(sound(draft.file.sync_groups))


@rule
def _group(group: GroupModel) -> SyncGroup:
    return SyncGroup(group.name, tuple(group.routers))


def _judge_item(path: KeyPath, item: TrackItem, draft: Draft, report: Report) -> None:
    kinds = [kind for kind in _KINDS if getattr(item, kind) is not None]
    if not kinds:
        report.wrong(path, "names nothing to track", f"one of {', '.join(_KINDS)}")
    if len(kinds) > 1:
        message = f"tracks {' and '.join(kinds)} at once"
        report.wrong(path, message, "give each an item of its own")
    if item.script is not None:
        _judge_script((*path, "script"), item.script, report)
    if item.service is None or not draft.knows("virtual_services", "name"):
        return
    known = [service.name for _, service in sound(draft.file.virtual_services)]
    if item.service not in known:
        hint = nearest(item.service, known) if known else "this file has no services"
        report.wrong((*path, "service"), f"there is no service {item.service!r}", hint)


def _judge_script(path: KeyPath, script: TrackScript, report: Report) -> None:
    if script.timeout is not None and script.timeout > script.interval:
        interval = show_seconds(script.interval)
        message = f"{show_seconds(script.timeout)} is longer than interval {interval}"
        report.wrong((*path, "timeout"), message)


def _targets(item: TrackItem) -> Iterator[Target]:
    if item.interface is not None:
        yield TrackedInterface(item.interface)
    if item.service is not None:
        yield TrackedService(item.service)
    if item.script is not None:
        yield _script(item.script)
    if item.file is not None:
        yield TrackedFile(item.file)
    if item.process is not None:
        yield TrackedProcess(item.process)
    if item.route is not None:
        yield TrackedRoute(item.route)


def _script(script: TrackScript) -> TrackedScript:
    timeout = min(_TIMEOUT, script.interval) if script.timeout is None else script.timeout
    return TrackedScript(
        script.exec, script.interval, timeout, script.rise, script.fall, script.user
    )


@rule
def _judge_members(
    path: KeyPath, group: GroupModel, holders: dict[str, str], draft: Draft, report: Report
) -> None:
    at = (*path, "routers")
    if len(set(group.routers)) < 2:
        report.wrong(at, "fewer than two routers make no group")
    known = [router.name for _, router in sound(draft.file.virtual_routers)]
    for i, name in enumerate(group.routers):
        if name not in known and draft.knows("virtual_routers", "name"):
            hint = nearest(name, known) if known else "this file has no routers"
            report.wrong((*at, i), f"there is no router {name!r}", hint)
        elif name in group.routers[:i]:
            report.wrong((*at, i), f"{name!r} is named twice")
        elif (first := holders.setdefault(name, group.name)) != group.name:
            report.wrong((*at, i), f"{name!r} is already in group {first!r}")


@rule
def _judge_order(path: KeyPath, group: GroupModel, draft: Draft, report: Report) -> None:
    """Else each node would hold on to the routers it is best at, and none would have them all."""
    nodes = draft.file.nodes
    routers = {router.name: router for _, router in sound(draft.file.virtual_routers)}
    first: tuple[str, list[str]] | None = None
    for i, name in enumerate(group.routers):
        if name not in routers:
            continue
        priorities = {node: priority_of(routers[name], node, nodes[node]) for node in nodes}
        order = sorted(priorities, key=priorities.__getitem__, reverse=True)
        first = first or (name, order)
        if order != first[1]:
            message = f"{name!r} prefers the nodes in another order than {first[0]!r}"
            hint = f"{first[0]!r}: {', '.join(first[1])}; {name!r}: {', '.join(order)}"
            report.wrong((*path, "routers", i), message, hint)
