"""Listings as JSON-ready objects, for --json: ours, not ipvsadm's.

Words are those of the cluster file and of the status; numbers are never cut or rounded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from lvsha.core.ipvsadm.connections import Connection
from lvsha.core.ipvsadm.lines import flag_names
from lvsha.core.ipvsadm.listing import Listed
from lvsha.core.ipvsadm.numerals import address_text
from lvsha.core.types import (
    Address,
    Destination,
    DestinationStatus,
    Forwarding,
    FwmarkKey,
    IpvsInfo,
    Key,
    Service,
    ServiceFlags,
    Stats,
    SyncDaemon,
    Timeouts,
    TunnelFlags,
)

Object: TypeAlias = dict[str, object]

_CHECKSUM = {
    TunnelFlags.NOCSUM: "none",
    TunnelFlags.CSUM: "plain",
    TunnelFlags.REMCSUM: "remote",
}


def table_object(entries: Iterable[Listed], info: IpvsInfo) -> Object:
    """Every service with its destinations, counters and rates, whatever columns were asked for."""
    return {
        "version": ".".join(map(str, info.version)),
        "connection_table_size": info.connection_table_size,
        "virtual_services": [
            {
                **_service(status.service),
                "stats": _stats(status.stats),
                "real_servers": [_destination(each) for each in destinations],
            }
            for status, destinations in entries
        ],
    }


def connections_object(connections: Iterable[Connection]) -> Object:
    return {"connections": [_connection(each) for each in connections]}


def timeouts_object(timeouts: Timeouts) -> Object:
    """Seconds."""
    return {"timeouts": {"tcp": timeouts.tcp, "tcp_fin": timeouts.tcp_fin, "udp": timeouts.udp}}


def daemons_object(daemons: Iterable[SyncDaemon]) -> Object:
    return {
        "sync_daemons": [
            {
                "role": daemon.role.name.lower(),
                "interface": daemon.interface,
                "sync_id": daemon.sync_id,
                "max_length": daemon.max_length,
                "group": address_text(daemon.group) if daemon.group else None,
                "port": daemon.port,
                "ttl": daemon.ttl,
            }
            for daemon in daemons
        ]
    }


def _key(key: Key) -> Object:
    if isinstance(key, FwmarkKey):
        where: Object = {"protocol": None, "address": None, "port": None, "fwmark": key.mark}
    else:
        where = {"protocol": key.protocol.name.lower(), **_endpoint(key.address, key.port)}
        where["fwmark"] = None
    return {**where, "family": key.family.name.lower()}


def _service(service: Service) -> Object:
    persistence: Object = {
        "timeout": service.timeout,
        "netmask": _netmask(service),
        "engine": service.persistence_engine or None,
    }
    return {
        **_key(service.key),
        "scheduler": service.scheduler,
        "scheduler_flags": flag_names(service),
        "persistence": persistence if service.flags & ServiceFlags.PERSISTENT else None,
        "one_packet": bool(service.flags & ServiceFlags.ONE_PACKET),
    }


def _netmask(service: Service) -> int | str:
    """A prefix length; an IPv4 mask with holes as it is."""
    if service.netmask >= 0:
        return service.netmask
    return ".".join(map(str, (-service.netmask).to_bytes(4, "big")))


def _destination(status: DestinationStatus) -> Object:
    destination: Destination = status.destination
    tunnelled = destination.forwarding is Forwarding.TUN
    tunnel = destination.tunnel
    return {
        **_endpoint(destination.key.address, destination.key.port),
        "forwarding": destination.forwarding.name.lower(),
        "weight": destination.weight,
        "upper_threshold": destination.upper_threshold,
        "lower_threshold": destination.lower_threshold,
        "tunnel": {
            "type": tunnel.type.name.lower(),
            "port": tunnel.port,
            "checksum": _CHECKSUM.get(tunnel.flags),
        }
        if tunnelled
        else None,
        "active_connections": status.active_connections,
        "inactive_connections": status.inactive_connections,
        "persistent_connections": status.persistent_connections,
        "stats": _stats(status.stats),
    }


def _stats(stats: Stats) -> Object:
    return {name: getattr(stats, name) for name in Stats.__slots__}


def _connection(each: Connection) -> Object:
    return {
        "protocol": each.protocol.lower(),
        "client": _endpoint(*each.client),
        "virtual": _endpoint(*each.virtual),
        "destination": _endpoint(*each.destination),
        "state": each.state,
        "expires": each.expires,
        "persistence_engine": each.persistence_engine,
        "engine_data": each.engine_data,
    }


def _endpoint(address: Address, port: int) -> Object:
    return {"address": address_text(address), "port": port}
