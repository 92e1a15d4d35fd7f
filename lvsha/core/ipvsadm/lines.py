"""Table commands written as ipvsadm lines: what `ipvsadm -S` prints and `ipvsadm -R` reads.

Laws of this file: one command, one line, no newline at its end; the options stand in the order
ipvsadm 1.31 saves them. A full line also has what ipvsadm forgets on saving (thresholds) and
what it writes so that it cannot be read again (marks of 2**31 and more, as negative numbers).
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
from lvsha.core.ipvsadm.numerals import address_text, as_int
from lvsha.core.types import (
    Destination,
    Family,
    Forwarding,
    FwmarkKey,
    Key,
    Protocol,
    Service,
    ServiceFlags,
    SyncDaemon,
    Timeouts,
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


def save_line(command: TableCommand, names: Names = NUMERIC, *, full: bool = True) -> str:
    """The command as ipvsadm's arguments, without the program's name.

    `names` writes hosts and ports; not `full`: exactly what `ipvsadm -S` prints.
    """
    match command:
        case AddService(service):
            return " ".join(["-A", *_service(service, names, full)])
        case SetService(service):
            return " ".join(["-E", *_service(service, names, full)])
        case DeleteService(key):
            return " ".join(["-D", *_key(key, names, full)])
        case AddDestination(key, destination):
            return " ".join(["-a", *_destination(key, destination, names, full)])
        case SetDestination(key, destination):
            return " ".join(["-e", *_destination(key, destination, names, full)])
        case DeleteDestination(key, server):
            where = address_port(names, server.address, server.port, protocol_of(key))
            return " ".join(["-d", *_key(key, names, full), "-r", where])
        case _:
            assert_never(command)


def timeouts_line(timeouts: Timeouts) -> str:
    """The line that sets connection timeouts again."""
    return f"--set {timeouts.tcp} {timeouts.tcp_fin} {timeouts.udp}"


def daemon_line(daemon: SyncDaemon) -> str:
    """The line that starts a synchronisation daemon again."""
    words = ["--start-daemon", daemon.role.name.lower(), "--mcast-interface", daemon.interface]
    words += ["--syncid", str(daemon.sync_id)]
    if daemon.max_length:
        words += ["--sync-maxlen", str(daemon.max_length)]
    if daemon.group is not None:
        words += ["--mcast-group", address_text(daemon.group)]
    if daemon.port:
        words += ["--mcast-port", str(daemon.port)]
    if daemon.ttl:
        words += ["--mcast-ttl", str(daemon.ttl)]
    return " ".join(words)


def protocol_of(key: Key) -> Protocol | None:
    """The protocol port names are looked up for: a firewall mark has none."""
    return None if isinstance(key, FwmarkKey) else key.protocol


def flag_names(service: Service, *, full: bool = True) -> list[str]:
    """The scheduler's flags in ipvsadm's words.

    sh and mh name the first two; with them ipvsadm never shows the third (`full` does).
    """
    named = service.scheduler in ("sh", "mh")
    first, second = ("fallback", "port") if named else ("flag-1", "flag-2")
    prefix = f"{service.scheduler}-" if named else ""
    words = (
        (ServiceFlags.SCHED1, f"{prefix}{first}"),
        (ServiceFlags.SCHED2, f"{prefix}{second}"),
        (ServiceFlags.SCHED3, "flag-3"),
    )
    shown = words[:2] if named and not full else words
    return [word for flag, word in shown if service.flags & flag]


def netmask_text(service: Service) -> str | None:
    """The persistence netmask as -M takes it; None where each client stands for itself."""
    if service.netmask == service.key.family.bits:
        return None
    if service.key.family is Family.IPV6:
        return str(service.netmask)
    prefix = service.netmask
    mask = -prefix if prefix < 0 else (0xFFFFFFFF << (32 - prefix)) & 0xFFFFFFFF
    return ".".join(str(byte) for byte in mask.to_bytes(4, "big"))


def tunnel_words(tunnel: Tunnel) -> list[str]:
    """The --tun-* options of a TUN destination, the type always."""
    words = ["--tun-type", tunnel.type.name.lower()]
    if tunnel.type is TunnelType.GUE:
        words += ["--tun-port", str(tunnel.port)]
    if tunnel.type is not TunnelType.IPIP:
        words.append(CHECKSUM_OPTION[tunnel.flags])
    return words


def _key(key: Key, names: Names, full: bool) -> list[str]:
    if isinstance(key, FwmarkKey):
        mark = key.mark if full else as_int(key.mark)
        return ["-f", str(mark)] + (["-6"] if key.family is Family.IPV6 else [])
    where = address_port(names, key.address, key.port, key.protocol)
    return [SERVICE_OPTION[key.protocol], where]


def _service(service: Service, names: Names, full: bool) -> list[str]:
    words = [*_key(service.key, names, full), "-s", service.scheduler]
    if service.flags & ServiceFlags.PERSISTENT:
        words += ["-p", str(service.timeout)]
        if (mask := netmask_text(service)) is not None:
            words += ["-M", mask]
    if service.persistence_engine:
        words += ["--pe", service.persistence_engine]
    if service.flags & ServiceFlags.ONE_PACKET:
        words.append("-o")
    if service.flags & (ServiceFlags.SCHED1 | ServiceFlags.SCHED2 | ServiceFlags.SCHED3):
        words += ["-b", ",".join(flag_names(service, full=full))]
    return words


def _destination(key: Key, destination: Destination, names: Names, full: bool) -> list[str]:
    server = destination.key
    where = address_port(names, server.address, server.port, protocol_of(key))
    words = [*_key(key, names, full), "-r", where]
    words += [FORWARDING_OPTION.get(destination.forwarding, "-g"), "-w", str(destination.weight)]
    if destination.forwarding is Forwarding.TUN:
        words += tunnel_words(destination.tunnel)
    if full and destination.upper_threshold:
        words += ["-x", str(destination.upper_threshold)]
    if full and destination.lower_threshold:
        words += ["-y", str(destination.lower_threshold)]
    return words
