"""IPVS commands as generic netlink bodies: our values → genlmsghdr and attributes.

From the policies and parsers in net/netfilter/ipvs/ip_vs_ctl.c. What the kernel expects and
its headers do not say:
- adding or setting a service needs scheduler, flags, timeout and netmask, always;
- the netmask of an IPv4 service is an address mask, of an IPv6 one a prefix length in the
  machine's byte order; a fwmark service follows its family;
- addresses take 16 bytes in both families; ports are in network byte order, the sync daemon's
  is not;
- the persistence timeout means something only with the PERSISTENT flag: 0 is sent without.
"""

from __future__ import annotations

import errno
import struct
from socket import htons
from typing import assert_never

from lvsha.core.commands import (
    AddDestination,
    AddService,
    Command,
    DeleteDestination,
    DeleteService,
    Flush,
    SetDestination,
    SetService,
    SetTimeouts,
    StartDaemon,
    StopDaemon,
    Zero,
)
from lvsha.core.types import (
    Destination,
    DestinationKey,
    Family,
    FwmarkKey,
    Key,
    Service,
    ServiceFlags,
    ServiceKey,
    SyncDaemon,
    Timeouts,
    Tunnel,
)
from lvsha.errors import KernelError
from lvsha.kernel.netlink import BE16, BE32, GENERIC, U8, U16, U32, attribute, header, text
from lvsha.kernel.nla import VERSION, Attr, Cmd, Daemon, Dest, Svc

FLAGS = struct.Struct("=II")  # ip_vs_flags: flags, mask of those that count
_ALL_FLAGS = 0xFFFFFFFF


def encode(command: Command) -> bytes:
    """The body that asks for a command.

    Raises KernelError(ERANGE) where a value does not fit its field.
    """
    try:
        return _encode(command)
    except (struct.error, ValueError, OverflowError) as error:
        words = f"a value does not fit its field: {error}"
        raise KernelError(errno.ERANGE, "ipvs", words) from error


def get_services() -> bytes:
    return _head(Cmd.GET_SERVICE)


def get_service(key: Key) -> bytes:
    return _head(Cmd.GET_SERVICE) + _service_key(key)


def get_destinations(key: Key) -> bytes:
    return _head(Cmd.GET_DEST) + _service_key(key)


def get_daemons() -> bytes:
    return _head(Cmd.GET_DAEMON)


def get_timeouts() -> bytes:
    return _head(Cmd.GET_CONFIG)


def get_info() -> bytes:
    return _head(Cmd.GET_INFO)


def _encode(command: Command) -> bytes:
    match command:
        case AddDestination(key, destination) | SetDestination(key, destination):
            payload = _service_key(key) + _destination(destination)
        case DeleteDestination(key, destination_key):
            payload = _service_key(key) + _destination_key(destination_key)
        case AddService(service) | SetService(service):
            payload = _service(service)
        case DeleteService() | Zero() | Flush():
            payload = _scope(command)
        case SetTimeouts(timeouts):
            payload = _timeouts(timeouts)
        case StartDaemon(daemon):
            payload = attribute(Attr.DAEMON, _daemon(daemon))
        case StopDaemon(daemon):
            payload = attribute(Attr.DAEMON, attribute(Daemon.STATE, U32.pack(daemon.role)))
        case _:
            assert_never(command)
    return _HEADS[type(command)] + payload


def _scope(command: DeleteService | Zero | Flush) -> bytes:
    """The service a command is about; nothing for all of them."""
    match command:
        case DeleteService(key) | Zero(key):
            return b"" if key is None else _service_key(key)
        case Flush():
            return b""
        case _:
            assert_never(command)


def _head(command: Cmd) -> bytes:
    return GENERIC.pack(command, VERSION, 0)


_HEADS: dict[type[Command], bytes] = {
    AddService: _head(Cmd.NEW_SERVICE),
    SetService: _head(Cmd.SET_SERVICE),
    DeleteService: _head(Cmd.DEL_SERVICE),
    AddDestination: _head(Cmd.NEW_DEST),
    SetDestination: _head(Cmd.SET_DEST),
    DeleteDestination: _head(Cmd.DEL_DEST),
    StartDaemon: _head(Cmd.NEW_DAEMON),
    StopDaemon: _head(Cmd.DEL_DAEMON),
    SetTimeouts: _head(Cmd.SET_CONFIG),
    Zero: _head(Cmd.ZERO),
    Flush: _head(Cmd.FLUSH),
}


_recent: list[tuple[Key | None, bytes]] = [(None, b"")]
"""The service packed last: commands about one service come in a row."""


def _service_key(key: Key) -> bytes:
    last, packed = _recent[0]
    if last is not key and last != key:
        packed = attribute(Attr.SERVICE, _identity(key))
        _recent[0] = key, packed
    return packed


def _identity(key: Key) -> bytes:
    match key:
        case ServiceKey(protocol, address, port):
            return (
                attribute(Svc.AF, U16.pack(Family.of(address)))
                + attribute(Svc.PROTOCOL, U16.pack(protocol))
                + attribute(Svc.ADDR, address.packed.ljust(16, b"\0"))
                + attribute(Svc.PORT, BE16.pack(port))
            )
        case FwmarkKey(family, mark):
            return attribute(Svc.AF, U16.pack(family)) + attribute(Svc.FWMARK, U32.pack(mark))
        case _:
            assert_never(key)


def _service(service: Service) -> bytes:
    persistent = ServiceFlags.PERSISTENT in service.flags
    engine = service.persistence_engine
    parts = (
        _identity(service.key),
        attribute(Svc.SCHED_NAME, text(service.scheduler)),
        attribute(Svc.FLAGS, FLAGS.pack(service.flags, _ALL_FLAGS)),
        attribute(Svc.TIMEOUT, U32.pack(service.timeout if persistent else 0)),
        attribute(Svc.NETMASK, _netmask(service.key.family, service.netmask)),
        attribute(Svc.PE_NAME, text(engine)) if engine else b"",
    )
    return attribute(Attr.SERVICE, b"".join(parts))


def _netmask(family: Family, prefix: int) -> bytes:
    if family is Family.IPV6:
        return U32.pack(prefix)
    if prefix < 0:
        return BE32.pack(-prefix)
    if prefix > 32:
        raise ValueError(f"netmask /{prefix} of an IPv4 service")
    return (0xFFFFFFFF << (32 - prefix) & 0xFFFFFFFF).to_bytes(4, "big")


# A destination is packed in one go: attribute headers are constants between its values.
_DESTINATION = struct.Struct("=4s 4s16s 4sH2x 4sI 4sI 4sI 4sI 4sH2x")
_TUNNEL = struct.Struct("=4sB3x 4sH2x 4sH2x")
_PLAIN = header(Attr.DEST, _DESTINATION.size - 4)
_TUNNELLED = header(Attr.DEST, _DESTINATION.size - 4 + _TUNNEL.size)
_ADDR = header(Dest.ADDR, 16)
_PORT = header(Dest.PORT, 2)
_FWD_METHOD = header(Dest.FWD_METHOD, 4)
_WEIGHT = header(Dest.WEIGHT, 4)
_U_THRESH = header(Dest.U_THRESH, 4)
_L_THRESH = header(Dest.L_THRESH, 4)
_ADDR_FAMILY = header(Dest.ADDR_FAMILY, 2)
_TUN_TYPE = header(Dest.TUN_TYPE, 1)
_TUN_PORT = header(Dest.TUN_PORT, 2)
_TUN_FLAGS = header(Dest.TUN_FLAGS, 2)


def _destination(destination: Destination) -> bytes:
    key, tunnel = destination.key, destination.tunnel
    address = key.address
    plain = tunnel.type == 0 and tunnel.port == 0 and tunnel.flags == 0
    # fmt: off
    packed = _DESTINATION.pack(
        _PLAIN if plain else _TUNNELLED,
        _ADDR, address.packed,
        _PORT, htons(key.port),
        _FWD_METHOD, destination.forwarding,
        _WEIGHT, destination.weight,
        _U_THRESH, destination.upper_threshold,
        _L_THRESH, destination.lower_threshold,
        _ADDR_FAMILY, 2 if address.version == 4 else 10,
    )
    # fmt: on
    return packed if plain else packed + _tunnel(tunnel)


def _tunnel(tunnel: Tunnel) -> bytes:
    return _TUNNEL.pack(
        _TUN_TYPE, tunnel.type, _TUN_PORT, htons(tunnel.port), _TUN_FLAGS, tunnel.flags
    )


def _destination_key(key: DestinationKey) -> bytes:
    identity = (
        attribute(Dest.ADDR, key.address.packed.ljust(16, b"\0"))
        + attribute(Dest.PORT, BE16.pack(key.port))
        + attribute(Dest.ADDR_FAMILY, U16.pack(Family.of(key.address)))
    )
    return attribute(Attr.DEST, identity)


def _timeouts(timeouts: Timeouts) -> bytes:
    return (
        attribute(Attr.TIMEOUT_TCP, U32.pack(timeouts.tcp))
        + attribute(Attr.TIMEOUT_TCP_FIN, U32.pack(timeouts.tcp_fin))
        + attribute(Attr.TIMEOUT_UDP, U32.pack(timeouts.udp))
    )


def _daemon(daemon: SyncDaemon) -> bytes:
    parts = [
        attribute(Daemon.STATE, U32.pack(daemon.role)),
        attribute(Daemon.MCAST_IFN, text(daemon.interface)),
        attribute(Daemon.SYNC_ID, U32.pack(daemon.sync_id)),
    ]
    if daemon.max_length:
        parts.append(attribute(Daemon.SYNC_MAXLEN, U16.pack(daemon.max_length)))
    if daemon.group is not None:
        kind = Daemon.MCAST_GROUP if daemon.group.version == 4 else Daemon.MCAST_GROUP6
        parts.append(attribute(kind, daemon.group.packed))
    if daemon.port:
        parts.append(attribute(Daemon.MCAST_PORT, U16.pack(daemon.port)))
    if daemon.ttl:
        parts.append(attribute(Daemon.MCAST_TTL, U8.pack(daemon.ttl)))
    return b"".join(parts)
