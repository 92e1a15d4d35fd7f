"""Table commands written as ipvsadm lines: what `ipvsadm -S` prints and `ipvsadm -R` reads.

Laws of this file: one command, one line, no newline at its end; the options stand in the order
ipvsadm 1.31 saves them. Thresholds, which ipvsadm forgets on saving, are written only where asked.
"""

from __future__ import annotations

from typing import assert_never

from lvsha.core.commands import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    SetDestination,
    SetService,
    TableCommand,
)
from lvsha.core.ipvsadm.names import NUMERIC, Names, address_port
from lvsha.core.types import (
    Destination,
    Family,
    Forwarding,
    FwmarkKey,
    Key,
    Protocol,
    Service,
    ServiceFlags,
    Tunnel,
    TunnelFlags,
    TunnelType,
)

SERVICE_OPTION = {
    Protocol.TCP: "-t",
    Protocol.UDP: "-u",
    Protocol.SCTP: "--sctp-service",
}
FORWARDING_OPTION = {
    Forwarding.NAT: "-m",
    Forwarding.LOCAL: "-g",
    Forwarding.TUN: "-i",
    Forwarding.DR: "-g",
}
CHECKSUM_OPTION = {
    TunnelFlags.NOCSUM: "--tun-nocsum",
    TunnelFlags.CSUM: "--tun-csum",
    TunnelFlags.REMCSUM: "--tun-remcsum",
}


def save_line(command: TableCommand, names: Names = NUMERIC, *, thresholds: bool = True) -> str:
    """The command as ipvsadm's arguments, without the program's name.

    `names` writes hosts and ports; `thresholds` adds -x and -y where they are not zero.
    """
    match command:
        case AddService(service):
            return " ".join(["-A", *_service(service, names)])
        case SetService(service):
            return " ".join(["-E", *_service(service, names)])
        case DeleteService(key):
            return " ".join(["-D", *service_words(key, names)])
        case AddDestination(key, destination):
            return " ".join(["-a", *_destination(key, destination, names, thresholds)])
        case SetDestination(key, destination):
            return " ".join(["-e", *_destination(key, destination, names, thresholds)])
        case DeleteDestination(key, server):
            where = address_port(names, server.address, server.port, protocol_of(key))
            return " ".join(["-d", *service_words(key, names), "-r", where])
        case _:
            assert_never(command)


def service_words(key: Key, names: Names = NUMERIC) -> list[str]:
    """The option that names a virtual service, and its value."""
    match key:
        case FwmarkKey(family, mark):
            return ["-f", str(mark)] + (["-6"] if family is Family.IPV6 else [])
        case _:
            where = address_port(names, key.address, key.port, key.protocol)
            return [SERVICE_OPTION[key.protocol], where]


def protocol_of(key: Key) -> Protocol | None:
    """The protocol port names are looked up for: a firewall mark has none."""
    return None if isinstance(key, FwmarkKey) else key.protocol


def flag_names(service: Service) -> list[str]:
    """The scheduler's flags in ipvsadm's words; sh and mh name the first two."""
    named = service.scheduler in ("sh", "mh")
    first, second = ("fallback", "port") if named else ("flag-1", "flag-2")
    prefix = f"{service.scheduler}-" if named else ""
    words = (
        (ServiceFlags.SCHED1, f"{prefix}{first}"),
        (ServiceFlags.SCHED2, f"{prefix}{second}"),
        (ServiceFlags.SCHED3, "flag-3"),
    )
    return [word for flag, word in words if service.flags & flag]


def netmask_text(service: Service) -> str | None:
    """The persistence netmask as -M takes it; None where each client stands for itself."""
    if service.netmask == service.key.family.bits:
        return None
    if service.key.family is Family.IPV6:
        return str(service.netmask)
    mask = (0xFFFFFFFF << (32 - service.netmask)) & 0xFFFFFFFF
    return ".".join(str(byte) for byte in mask.to_bytes(4, "big"))


def tunnel_words(tunnel: Tunnel) -> list[str]:
    """The --tun-* options of a TUN destination, the type always."""
    words = ["--tun-type", tunnel.type.name.lower()]
    if tunnel.type is TunnelType.GUE:
        words += ["--tun-port", str(tunnel.port)]
    if tunnel.type is not TunnelType.IPIP:
        words.append(CHECKSUM_OPTION[tunnel.flags])
    return words


def _service(service: Service, names: Names) -> list[str]:
    words = [*service_words(service.key, names), "-s", service.scheduler]
    if service.flags & ServiceFlags.PERSISTENT:
        words += ["-p", str(service.timeout)]
        if (mask := netmask_text(service)) is not None:
            words += ["-M", mask]
        if service.persistence_engine:
            words += ["--pe", service.persistence_engine]
    if service.flags & ServiceFlags.ONE_PACKET:
        words.append("-o")
    if flags := flag_names(service):
        words += ["-b", ",".join(flags)]
    return words


def _destination(key: Key, destination: Destination, names: Names, thresholds: bool) -> list[str]:
    server = destination.key
    where = address_port(names, server.address, server.port, protocol_of(key))
    words = [*service_words(key, names), "-r", where]
    words += [FORWARDING_OPTION.get(destination.forwarding, "-g"), "-w", str(destination.weight)]
    if destination.forwarding is Forwarding.TUN:
        words += tunnel_words(destination.tunnel)
    if thresholds and destination.upper_threshold:
        words += ["-x", str(destination.upper_threshold)]
    if thresholds and destination.lower_threshold:
        words += ["-y", str(destination.lower_threshold)]
    return words
