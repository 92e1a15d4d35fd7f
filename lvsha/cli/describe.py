"""A resolved plan in words, as `lvsha check` prints it."""

from __future__ import annotations

from collections.abc import Iterator

from lvsha.config.resolve import NodePlans
from lvsha.core.authentication import HmacKeys, Password
from lvsha.core.detour import Origin
from lvsha.core.ipvsadm.lines import flag_names
from lvsha.core.plan import Check, Initial, RealServer, Required, VirtualRouter, VirtualService
from lvsha.core.types import Forwarding, FwmarkKey, ServiceFlags, Timeouts, TunnelType


def describe(plans: NodePlans) -> str:
    """What one node is asked to be, a line a thing."""
    return "\n".join(_lines(plans))


def _lines(plans: NodePlans) -> Iterator[str]:
    yield f"cluster {plans.director.cluster}, node {plans.director.node}"
    for router in plans.vrrp.routers:
        yield _router(router)
        yield from (f"    {words}" for words in _following(router))
    for group in plans.vrrp.sync_groups:
        yield f"  sync group {group.name}: {' '.join(group.routers)}"
    for service in plans.director.services:
        yield _service(service)
        yield from (f"    note: {note}" for note in _notes(service))
        for server in service.real_servers:
            yield _server(server)
        for number, tier in enumerate(service.backups, 1):
            yield f"    backups {number}:"
            yield from (f"  {_server(server)}" for server in tier)
    if timeouts := plans.director.timeouts:
        yield "  timeouts " + ", ".join(f"{name} {value} s" for name, value in _set(timeouts))
    for name, value in plans.director.sysctls.items():
        yield f"  setting {name} = {value}"


def _set(timeouts: Timeouts) -> Iterator[tuple[str, int]]:
    """Those the file names: 0 leaves one untouched."""
    named = {"tcp": timeouts.tcp, "tcp_fin": timeouts.tcp_fin, "udp": timeouts.udp}
    return ((name, value) for name, value in named.items() if value)


def _router(router: VirtualRouter) -> str:
    addresses = " ".join(map(str, router.all_addresses))
    return (
        f"  router {router.name}: VRID {router.virtual_router_id} on {router.interface}, "
        f"priority {router.priority}, every {router.advertisement_interval:g} s, {addresses}"
        + "".join(f", {words}" for words in _protocol(router))
    )


def _protocol(router: VirtualRouter) -> Iterator[str]:
    """What of it is not as usual."""
    if router.version == 2:
        yield "version 2"
    if router.virtual_mac:
        yield "virtual MAC"
    if not router.preempt:
        yield "does not preempt"
    if router.preempt_delay:
        yield f"preempts after {router.preempt_delay:g} s"
    if router.startup_delay:
        yield f"listens first for {router.startup_delay:g} s"
    if router.peers:
        yield f"from {router.source} to {' '.join(map(str, router.peers))}"
    match router.authentication:
        case Password():
            yield "by password"
        case HmacKeys(active=active):
            yield f"signed with key {active}"


def _following(router: VirtualRouter) -> Iterator[str]:
    """What decides with it, and what moves with it."""
    for track in router.tracks:
        worth = "else a fault" if track.weight is None else f"weight {track.weight}"
        yield f"track {track.target}, {worth}"
    yield from map(str, (*router.routes, *router.rules))
    if router.hook is not None:
        yield f"on change run {' '.join(router.hook.exec)} as {router.hook.user}"


def _service(service: VirtualService) -> str:
    key = service.key
    kernel = service.service
    where = f"fwmark {key.mark}" if isinstance(key, FwmarkKey) else str(key)
    words = [f"  service {service.name}: {where} {kernel.scheduler}"]
    words += flag_names(kernel)
    if kernel.flags & ServiceFlags.PERSISTENT:
        words.append(f"persistent {kernel.timeout} s")
    if kernel.flags & ServiceFlags.ONE_PACKET:
        words.append("one packet")
    words.append(f"on failure {service.on_failure.value}")
    return ", ".join([*words, *_balance(service)])


def _balance(service: VirtualService) -> Iterator[str]:
    """What differs from the defaults of who serves."""
    if (service.quorum, service.hysteresis) != (1, 0):
        yield f"quorum {service.quorum} ± {service.hysteresis}"
    if service.panic_threshold:
        yield f"panic above {service.panic_threshold} %"
    if service.damping:
        damping = service.damping
        yield (
            f"held down {damping.hold:g} s after {damping.transitions} changes "
            f"in {damping.window:g} s"
        )
    if service.slow_start:
        yield f"slow start {service.slow_start:g} s"
    if service.initial is not Initial.KERNEL:
        yield f"{service.initial.value} until the first verdict"
    if service.router is not None:
        yield f"only on the master of {service.router}"


def _notes(service: VirtualService) -> Iterator[str]:
    """What is no mistake and may yet surprise."""
    if service.keeps_places and not service.service.flags & ServiceFlags.SCHED1:
        yield "without the flag mh-fallback, clients of a failed server get no answer"
    if not service.real_servers:
        yield "no real server: nothing is served"
        return
    possible = sum(server.weight for server in service.real_servers)
    if service.quorum > possible:
        yield f"quorum {service.quorum} is more than all weights together: {possible} is enough"
    if service.slow_start and any(server.weight == 1 for server in service.servers):
        yield "weight 1 can't rise: slow_start does nothing for such servers, give larger weights"


def _server(server: RealServer) -> str:
    method = server.forwarding.name.lower()
    if server.forwarding is Forwarding.TUN and server.tunnel.type is not TunnelType.IPIP:
        method += f" {server.tunnel.type.name.lower()}"
    joined = " and " if server.required is Required.ALL else " or "
    checks = joined.join(map(_check, server.checks)) or "no check: always up"
    return f"    server {server} {method}, weight {server.weight}, {checks}"


def _check(check: Check) -> str:
    words = [f"check {check.probe} every {check.interval:g} s"]
    if check.interval_down is not None:
        words.append(f"{check.interval_down:g} s while down")
    if check.interval_transition is not None:
        words.append(f"{check.interval_transition:g} s in transition")
    words += [f"timeout {check.timeout:g} s", f"rise {check.rise}", f"fall {check.fall}"]
    return ", ".join([*words, *_origin(check.origin or Origin())])


def _origin(origin: Origin) -> Iterator[str]:
    if origin.source is not None:
        yield f"from {origin.source}"
    if origin.device is not None:
        yield f"through {origin.device}"
    if origin.detour is not None:
        yield "via vip"
    if origin.mark:
        yield f"mark {origin.mark}"
