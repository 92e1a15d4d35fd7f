"""Virtual services: from the file's words to the plan's values, judged on the way."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lvsha.config.balance_rules import judge_balance, router_of
from lvsha.config.check_levels import Level, level_of
from lvsha.config.document import KeyPath, Report
from lvsha.config.draft import Draft
from lvsha.config.expansion import Single, singles
from lvsha.config.mapping import Unsound, rule, sound
from lvsha.config.routers import address_of, known_nodes
from lvsha.config.schema import Defaults
from lvsha.config.servers import Heritage, build_tiers, show_family
from lvsha.config.service_schema import VirtualService as ServiceModel
from lvsha.core.plan import Damping, Initial, RealServer, VirtualService
from lvsha.core.types import (
    Address,
    Family,
    FwmarkKey,
    Key,
    OnFailure,
    Protocol,
    Service,
    ServiceFlags,
    ServiceKey,
)

_FAMILIES = {"ipv4": Family.IPV4, "ipv6": Family.IPV6}
_PROTOCOLS = {"tcp": Protocol.TCP, "udp": Protocol.UDP, "sctp": Protocol.SCTP}
_IDENTITY = {
    "with fwmark": ({"family"}, {"protocol", "address", "port"}),
    "without fwmark": ({"address", "port"}, {"family"}),
}
"""Keys a service needs, and keys that belong to the other kind."""
_FLAGS = {"fallback": ServiceFlags.SCHED1, "port": ServiceFlags.SCHED2}


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What judging a service takes from the rest of the file, and from the services before it.

    `carriers` are the routers' names by address; None: a mistake leaves them unknown.
    `node` is the one whose plan this is. `defaults` is None, and `check` CUT, where nothing is
    known of them.
    """

    defaults: Defaults | None
    check: Level
    carriers: Mapping[Address, str] | None
    node: str
    nodes: Mapping[Address, str]
    node_names: Collection[str] | None
    names: set[str] = field(default_factory=set)
    keys: dict[Key, str] = field(default_factory=dict)


def build_services(draft: Draft, node: str, report: Report) -> tuple[VirtualService, ...]:
    """The services of the sound part of a file as a node has them, in the file's order."""
    around = _surroundings(draft, node, report)
    built = (
        _build(("virtual_services", i), service, single, around, report)
        for i, service in _services(draft) or ()
        for single in singles(service.name, _addresses(service), _ports(service))
    )
    return tuple(service for service in built if service is not None)


@rule
def _services(draft: Draft) -> tuple[tuple[int, ServiceModel], ...]:
    return tuple(sound(draft.file.virtual_services))


@rule
def _addresses(service: ServiceModel) -> tuple[Address, ...] | None:
    return service.address


@rule
def _ports(service: ServiceModel) -> tuple[int, ...] | None:
    return service.port


def _surroundings(draft: Draft, node: str, report: Report) -> _Surroundings:
    defaults = _defaults(draft)
    are_carriers_known = draft.knows("virtual_routers", "addresses", "excluded_addresses")
    return _Surroundings(
        defaults=defaults,
        check=level_of(defaults, None, ("defaults", "check"), report),
        carriers=_carriers(draft) if are_carriers_known else None,
        node=node,
        nodes=dict(_node_names(draft)),
        node_names=known_nodes(draft),
    )


@rule
def _defaults(draft: Draft) -> Defaults:
    return draft.file.defaults


def _node_names(draft: Draft) -> Iterator[tuple[Address, str]]:
    """A node whose address is not known is nobody's real server."""
    for name, node in (known_nodes(draft) or {}).items():
        address = address_of(node)
        if address is not None:
            yield address, name


def _carriers(draft: Draft) -> Mapping[Address, str]:
    return {
        address.ip: router.name
        for _, router in sound(draft.file.virtual_routers)
        for address in (*router.addresses, *router.excluded_addresses)
    }


def _build(
    path: KeyPath, service: ServiceModel, single: Single, around: _Surroundings, report: Report
) -> VirtualService | None:
    if single.name in around.names:
        message = f"{single.name!r} is already the name of another service"
        report.wrong((*path, "name"), message)
    around.names.add(single.name)
    _judge_identity(path, service, report)
    key = _key(service, single)
    if key is not None:
        _judge_key(path, service, single.name, key, around, report)
        _judge_netmask(path, service, key, report)
    _judge_one_packet(path, service, report)
    _judge_flags(path, service, report)
    judge_balance(path, service, report)
    heritage = Heritage(
        path=path,
        known_key=key,
        service=service,
        defaults=around.defaults,
        check=level_of(service, around.check, (*path, "check"), report),
        node=around.node,
        nodes=around.nodes,
        node_names=around.node_names,
    )
    tiers = build_tiers(heritage, report)
    return None if key is None else _plan(path, service, single, key, tiers, around, report)


@rule
def _plan(
    path: KeyPath,
    service: ServiceModel,
    single: Single,
    key: Key,
    tiers: Sequence[tuple[RealServer, ...]],
    around: _Surroundings,
    report: Report,
) -> VirtualService:
    router = router_of(path, service, key, around.carriers, report)
    real_servers, *backups = tiers
    return VirtualService(
        name=single.name,
        service=_kernel_service(service, key),
        real_servers=real_servers,
        on_failure=_on_failure(service, around),
        quorum=service.quorum,
        hysteresis=service.hysteresis,
        backups=tuple(backups),
        initial=Initial(service.initial),
        slow_start=service.slow_start,
        drain_timeout=service.drain_timeout,
        panic_threshold=service.panic_threshold,
        damping=_damping(service),
        router=router,
    )


def _damping(service: ServiceModel) -> Damping | None:
    given = service.damping
    return Damping(given.transitions, given.window, given.hold) if given else None


def _on_failure(service: ServiceModel, around: _Surroundings) -> OnFailure:
    if service.scheduler == "mh":
        return OnFailure.QUIESCE
    if around.defaults is None:
        raise Unsound
    return OnFailure(service.on_failure or around.defaults.on_failure)


def _judge_identity(path: KeyPath, service: ServiceModel, report: Report) -> None:
    """A service is named by address and port, or by fwmark and family."""
    given = service.model_fields_set
    kind = "with fwmark" if "fwmark" in given else "without fwmark"
    needed, foreign = _IDENTITY[kind]
    for key in sorted(needed - given):
        report.wrong(path, f"missing key {key!r}")
    for key in sorted(foreign & given):
        report.wrong((*path, key), f"a service {kind} has no {key!r}")


@rule
def _key(service: ServiceModel, single: Single) -> Key | None:
    if service.fwmark is not None:
        return FwmarkKey(_FAMILIES[service.family], service.fwmark) if service.family else None
    if single.address is None or single.port is None:
        return None
    return ServiceKey(_PROTOCOLS[service.protocol or "tcp"], single.address, single.port)


def _judge_key(
    path: KeyPath,
    service: ServiceModel,
    name: str,
    key: Key,
    around: _Surroundings,
    report: Report,
) -> None:
    if key in around.keys:
        report.wrong(path, f"{key} is already service {around.keys[key]!r}")
    around.keys.setdefault(key, name)
    if not isinstance(key, ServiceKey):
        return
    _judge_every_port(path, service, key, report)
    if around.carriers and key.address not in around.carriers:
        hint = "add it to the addresses of a virtual router"
        report.wrong((*path, "address"), f"{key.address} is carried by no virtual router", hint)


@rule
def _judge_every_port(
    path: KeyPath, service: ServiceModel, key: ServiceKey, report: Report
) -> None:
    if key.port == 0 and service.persistence is None:
        hint = "port 0 is every port, and a client must stay with its server over all of them"
        report.wrong((*path, "port"), "port 0 needs persistence", hint)


@rule
def _judge_one_packet(path: KeyPath, service: ServiceModel, report: Report) -> None:
    protocol = service.protocol or "tcp"
    if service.one_packet and service.fwmark is None and protocol != "udp":
        message = f"true is for udp and fwmark services, not {protocol}"
        report.wrong((*path, "one_packet"), message)


@rule
def _judge_flags(path: KeyPath, service: ServiceModel, report: Report) -> None:
    for i, flag in enumerate(service.scheduler_flags):
        scheduler = flag.partition("-")[0]
        if scheduler != service.scheduler:
            message = f"{flag} is an option of scheduler {scheduler}, not {service.scheduler}"
            report.wrong((*path, "scheduler_flags", i), message)


@rule
def _judge_netmask(path: KeyPath, service: ServiceModel, key: Key, report: Report) -> None:
    if service.persistence is None or service.persistence.netmask is None:
        return
    if service.persistence.netmask[0] is not key.family:
        wanted = "like 255.255.255.0" if key.family is Family.IPV4 else "a prefix length"
        message = f"an {show_family(key.family)} service's netmask is {wanted}"
        report.wrong((*path, "persistence", "netmask"), message)


def _kernel_service(service: ServiceModel, key: Key) -> Service:
    flags = ServiceFlags.ONE_PACKET if service.one_packet else ServiceFlags.NONE
    for flag in service.scheduler_flags:
        flags |= _FLAGS[flag.partition("-")[2]]
    persistence, bits = service.persistence, key.family.bits
    if persistence is None:
        return Service(key, service.scheduler, flags, 0, bits)
    netmask = persistence.netmask[1] if persistence.netmask else bits
    return Service(
        key, service.scheduler, flags | ServiceFlags.PERSISTENT, persistence.timeout, netmask
    )
