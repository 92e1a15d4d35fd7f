"""The table as ipvsadm lists it: columns, widths, cuts and trailing blanks are its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from lvsha.core.ipvsadm.lines import flag_names, netmask_text, protocol_of
from lvsha.core.ipvsadm.names import Names, address_port
from lvsha.core.ipvsadm.numerals import address_text, as_int
from lvsha.core.ipvsadm.request import Layout, Style
from lvsha.core.types import (
    Destination,
    DestinationStatus,
    Family,
    Forwarding,
    FwmarkKey,
    IpvsInfo,
    Key,
    Protocol,
    Service,
    ServiceFlags,
    ServiceStatus,
    Stats,
    SyncDaemon,
    Timeouts,
    Tunnel,
    TunnelFlags,
    TunnelType,
)

Listed: TypeAlias = tuple[ServiceStatus, Sequence[DestinationStatus]]

SERVICE_ROOM = 33
DESTINATION_ROOM = 28
FORWARDING_NAME = {
    Forwarding.NAT: "Masq",
    Forwarding.LOCAL: "Local",
    Forwarding.TUN: "Tunnel",
    Forwarding.DR: "Route",
    Forwarding.BYPASS: "(null)",
}
CHECKSUM_NAME = {TunnelFlags.NOCSUM: "-c", TunnelFlags.CSUM: "+c", TunnelFlags.REMCSUM: "r+c"}

_LOCAL = "Prot LocalAddress:Port"
_REMOTE = "  -> RemoteAddress:Port"
_COLUMNS = {
    Style.STATS: ("Conns", "InPkts", "OutPkts", "InBytes", "OutBytes"),
    Style.RATE: ("CPS", "InPPS", "OutPPS", "InBPS", "OutBPS"),
    Style.THRESHOLDS: ("Uthreshold", "Lthreshold", "ActiveConn", "InActConn"),
    Style.PERSISTENT_CONN: ("Weight", "PersistConn", "ActiveConn", "InActConn"),
}


def banner(info: IpvsInfo) -> str:
    """The first line of a whole table."""
    version = ".".join(map(str, info.version))
    return f"IP Virtual Server version {version} (size={info.connection_table_size})"


def title(style: Style) -> list[str]:
    """The two lines that name the columns."""
    match style:
        case Style.STATS | Style.RATE:
            columns = " ".join(f"{name:>8}" for name in _COLUMNS[style])
            return [f"{_LOCAL:<33} {columns}", _REMOTE]
        case Style.THRESHOLDS:
            columns = " ".join(f"{name:<10}" for name in _COLUMNS[style])
            return [f"{_LOCAL:<33} {columns}", _REMOTE]
        case Style.PERSISTENT_CONN:
            weight, persistent, active, inactive = _COLUMNS[style]
            return [
                f"{_LOCAL:<33} {weight:<9} {persistent:<11} {active:<10} {inactive:<10}",
                _REMOTE,
            ]
        case _:
            tunnel = "TunnelInfo    " if style is Style.TUN_INFO else ""
            return [
                f"{_LOCAL} Scheduler Flags",
                f"{_REMOTE}           Forward {tunnel}Weight ActiveConn InActConn",
            ]


def lines(entries: Iterable[Listed], layout: Layout, names: Names) -> Iterator[str]:
    """Each service's line, and one for each of its destinations."""
    for status, destinations in entries:
        yield _service_line(status, layout, names)
        protocol = protocol_of(status.service.key)
        for each in destinations:
            yield _destination_line(each, layout, names, protocol)


def timeouts_line(timeouts: Timeouts) -> str:
    return f"Timeout (tcp tcpfin udp): {timeouts.tcp} {timeouts.tcp_fin} {timeouts.udp}"


def daemon_line(daemon: SyncDaemon) -> str:
    """What the kernel does not tell of a daemon is left out."""
    parts = [f"mcast={daemon.interface}", f"syncid={daemon.sync_id}"]
    if daemon.max_length:
        parts.append(f"maxlen={daemon.max_length}")
    if daemon.group is not None:
        parts.append(f"group={address_text(daemon.group)}")
    if daemon.port:
        parts.append(f"port={daemon.port}")
    if daemon.ttl:
        parts.append(f"ttl={daemon.ttl}")
    return f"{daemon.role.name.lower()} sync daemon ({', '.join(parts)})"


def service_name(key: Key, names: Names) -> str:
    """Protocol, address and port; an IPv4 one is cut to its column."""
    if isinstance(key, FwmarkKey):
        family = " IPv6" if key.family is Family.IPV6 else ""
        return f"FWM  {as_int(key.mark)}{family}"
    text = f"{key.protocol.name:<4} {address_port(names, key.address, key.port, key.protocol)}"
    return text if key.family is Family.IPV6 else text[:SERVICE_ROOM]


def tunnel_text(destination: Destination) -> str:
    """Encapsulation and checksum; `n/a` where the destination is reached without a tunnel."""
    tunnel: Tunnel = destination.tunnel
    if destination.forwarding is not Forwarding.TUN:
        return "n/a"
    checksum = CHECKSUM_NAME.get(tunnel.flags, "")
    match tunnel.type:
        case TunnelType.GUE:
            text = f"gue:{tunnel.port}:{checksum}"
        case TunnelType.GRE:
            text = f"gre:{checksum}"
        case _:
            text = "ipip"
    return text


def large_number(value: int, exact: bool) -> str:
    """A counter in nine places: thousands and up are cut, not rounded, unless `exact`."""
    if exact:
        text = str(value)
        return text.rjust(9 if len(text) <= 8 else len(text) + 1)
    if value < 10**8:
        return f"{value:9}"
    for limit, unit, letter in _UNITS:
        if value < limit:
            return f"{value // unit:8}{letter}"
    return f"{value // 10**12:8}T"


_UNITS = ((10**9, 10**3, "K"), (10**11, 10**6, "M"), (10**14, 10**9, "G"))


def _service_line(status: ServiceStatus, layout: Layout, names: Names) -> str:
    name = service_name(status.service.key, names)
    match layout.style:
        case Style.STATS:
            numbers = _totals(status.stats)
        case Style.RATE:
            numbers = _rates(status.stats)
        case _:
            return f"{name} {_service_text(status.service)}"
    return f"{name:<33}" + "".join(large_number(value, layout.exact) for value in numbers)


def _service_text(service: Service) -> str:
    text = service.scheduler
    if service.flags & (ServiceFlags.SCHED1 | ServiceFlags.SCHED2 | ServiceFlags.SCHED3):
        text += f" ({','.join(flag_names(service, full=False))})"
    if service.flags & ServiceFlags.PERSISTENT:
        text += f" persistent {service.timeout}"
        if (mask := netmask_text(service)) is not None:
            text += f" mask {mask}"
        if service.persistence_engine:
            text += f" pe {service.persistence_engine}"
    return text + (" ops" if service.flags & ServiceFlags.ONE_PACKET else "")


def _destination_line(
    status: DestinationStatus, layout: Layout, names: Names, protocol: Protocol | None
) -> str:
    destination = status.destination
    key = destination.key
    name = address_port(names, key.address, key.port, protocol)
    if key.address.version == 4:
        name = name[:DESTINATION_ROOM]
    return f"  -> {name:<28}" + _destination_columns(status, layout)


def _destination_columns(status: DestinationStatus, layout: Layout) -> str:
    destination, exact = status.destination, layout.exact
    connections = f"{status.active_connections:<10} {status.inactive_connections:<10}"
    match layout.style:
        case Style.STATS:
            return "".join(large_number(value, exact) for value in _totals(status.stats))
        case Style.RATE:
            rates = _rates(status.stats)
            packets = "".join(f" {value:8}" for value in rates[:3])
            return packets + "".join(large_number(value, exact) for value in rates[3:])
        case Style.THRESHOLDS:
            upper, lower = destination.upper_threshold, destination.lower_threshold
            return f" {upper:<10} {lower:<10} {connections}"
        case Style.PERSISTENT_CONN:
            persistent = status.persistent_connections
            return f" {destination.weight:<9} {persistent:<11} {connections}"
    forwarding = FORWARDING_NAME[destination.forwarding]
    tunnel = f"{tunnel_text(destination):<13} " if layout.style is Style.TUN_INFO else ""
    return f" {forwarding:<7} {tunnel}{destination.weight:<6} {connections}"


def _totals(stats: Stats) -> tuple[int, ...]:
    return stats.connections, stats.in_packets, stats.out_packets, stats.in_bytes, stats.out_bytes


def _rates(stats: Stats) -> tuple[int, ...]:
    return stats.cps, stats.in_pps, stats.out_pps, stats.in_bps, stats.out_bps
