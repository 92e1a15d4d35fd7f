"""Checks that go through the data path: what they need of a node, and of its table.

Each server checked `via: vip` has a service of its own beside those of the file: by firewall
mark, with that server as its one destination. Nobody judges it and no status shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from lvsha.core.detour import Detour, Origin, marks
from lvsha.core.plan import Check, RealServer, VirtualService
from lvsha.core.types import Address, Family, FwmarkKey, Key, Service


@dataclass(frozen=True, slots=True)
class Here:
    """A node: its address and interface, and the interfaces of virtual addresses it may carry."""

    address: Address
    interface: str
    links: Mapping[Address, str]


def laid(services: tuple[VirtualService, ...], here: Here) -> tuple[VirtualService, ...]:
    """The services with everything a node adds to their detours: marks, source, interfaces."""
    found = [detour for check in _checks(services) if (detour := _detour(check)) is not None]
    if not found:
        return services
    mark_of = marks(found, _taken(services))

    def lay(check: Check) -> Check:
        detour = _detour(check)
        if check.origin is None or detour is None:
            return check
        interface = check.origin.device or here.interface
        link = here.links.get(check.address, interface)
        source = check.origin.source or _own(here, check.address, interface)
        detour = replace(detour, interface=interface, link=link)
        return replace(check, origin=Origin(source, None, mark_of[detour.way], detour))

    def tier(servers: tuple[RealServer, ...]) -> tuple[RealServer, ...]:
        return tuple(replace(each, checks=tuple(map(lay, each.checks))) for each in servers)

    return tuple(
        replace(each, real_servers=tier(each.real_servers), backups=tuple(map(tier, each.backups)))
        if any(map(_detour, _checks([each])))
        else each
        for each in services
    )


def detour_services(services: Iterable[VirtualService]) -> tuple[VirtualService, ...]:
    """The services that carry the checks' detours, each once."""
    found: dict[Key, VirtualService] = {}
    for check in _checks(services):
        detour = _detour(check)
        if check.origin is not None and detour is not None:
            key = FwmarkKey(Family.of(check.address), check.origin.mark)
            if key not in found:
                found[key] = _service(key, detour)
    return tuple(found.values())


def settings(services: Iterable[VirtualService]) -> dict[str, str]:
    """The kernel settings without which a master hears no answer, by name.

    It comes from an address that is the master's own: a martian, unless said otherwise
    (fib_frontend.c, fib_validate_source). IPv6 knows no such check.
    """
    found = ((_detour(check), check.address) for check in _checks(services))
    interfaces = {detour.interface for detour, address in found if detour and address.version == 4}
    return accept_local(interfaces)


def accept_local(interfaces: Iterable[str]) -> dict[str, str]:
    """The kernel settings, by name, that let packets from the machine's own addresses in."""
    names = sorted(interface.replace(".", "/") for interface in interfaces)
    return {f"net.ipv4.conf.{name}.accept_local": "1" for name in names}


def rely_on_node(services: Iterable[VirtualService]) -> bool:
    """Whether checks go by a detour and do not say by which interface."""
    origins = (check.origin for check in _checks(services))
    return any(origin and origin.detour and not origin.device for origin in origins)


def _service(key: FwmarkKey, detour: Detour) -> VirtualService:
    """Port 0: a destination takes packets at whatever port they ask for.

    No service of a file has a name with spaces.
    """
    return VirtualService(
        name=f"detour by {detour.server}",
        service=Service(key, scheduler="rr", netmask=key.family.bits),
        real_servers=(RealServer(detour.server, 0, detour.forwarding, tunnel=detour.tunnel),),
    )


def _checks(services: Iterable[VirtualService]) -> Iterator[Check]:
    return (check for each in services for server in each.servers for check in server.checks)


def _detour(check: Check) -> Detour | None:
    return check.origin.detour if check.origin is not None else None


def _own(here: Here, virtual: Address, interface: str) -> Address | None:
    """The node's address if it is of this family and there; None: as the way to the server says."""
    fits = here.address.version == virtual.version and interface == here.interface
    return here.address if fits else None


def _taken(services: Iterable[VirtualService]) -> set[int]:
    """Marks that the file gives to services and to checks."""
    keys = {each.key.mark for each in services if isinstance(each.key, FwmarkKey)}
    origins = (check.origin or Origin() for check in _checks(services))
    return keys | {origin.mark for origin in origins}
