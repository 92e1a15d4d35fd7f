"""A resolved plan in words, as `lvsha check` prints it."""

from __future__ import annotations

from collections.abc import Iterator

from lvsha.config.resolve import NodePlans
from lvsha.core.plan import Check, RealServer, VirtualRouter, VirtualService
from lvsha.core.types import Forwarding, FwmarkKey, ServiceFlags, TunnelType


def describe(plans: NodePlans) -> str:
    """What one node is asked to be, a line a thing."""
    return "\n".join(_lines(plans))


def _lines(plans: NodePlans) -> Iterator[str]:
    yield f"cluster {plans.director.cluster}, node {plans.director.node}"
    for router in plans.vrrp.routers:
        yield _router(router)
    for service in plans.director.services:
        yield _service(service)
        for server in service.real_servers:
            yield _server(server)
        for number, tier in enumerate(service.backups, 1):
            yield f"    backups {number}:"
            yield from (f"  {_server(server)}" for server in tier)
    for name, value in plans.director.sysctls.items():
        yield f"  setting {name} = {value}"


def _router(router: VirtualRouter) -> str:
    addresses = " ".join(map(str, (*router.addresses, *router.excluded_addresses)))
    return (
        f"  router {router.name}: VRID {router.virtual_router_id} on {router.interface}, "
        f"priority {router.priority}, every {router.advertisement_interval:g} s, {addresses}"
    )


def _service(service: VirtualService) -> str:
    key = service.key
    kernel = service.service
    where = f"fwmark {key.mark}" if isinstance(key, FwmarkKey) else str(key)
    words = [f"  service {service.name}: {where} {kernel.scheduler}"]
    if kernel.flags & ServiceFlags.PERSISTENT:
        words.append(f"persistent {kernel.timeout} s")
    if kernel.flags & ServiceFlags.ONE_PACKET:
        words.append("one packet")
    words.append(f"on failure {service.on_failure.value}")
    return ", ".join(words)


def _server(server: RealServer) -> str:
    method = server.forwarding.name.lower()
    if server.forwarding is Forwarding.TUN and server.tunnel.type is not TunnelType.IPIP:
        method += f" {server.tunnel.type.name.lower()}"
    check = _check(server.check) if server.check else "no check: always up"
    return f"    server {server} {method}, weight {server.weight}, {check}"


def _check(check: Check) -> str:
    return (
        f"check {check.probe} every {check.interval:g} s, timeout {check.timeout:g} s, "
        f"rise {check.rise}, fall {check.fall}"
    )
