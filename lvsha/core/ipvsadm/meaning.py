"""A line whose words are all read and allowed → the request it is; last mistakes are found here."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address

from lvsha.core.commands import (
    AddDestination,
    AddService,
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
from lvsha.core.ipvsadm.draft import Draft
from lvsha.core.ipvsadm.legality import check_tunnel
from lvsha.core.ipvsadm.options import TUNNEL_NAMES
from lvsha.core.ipvsadm.request import (
    Change,
    Layout,
    ListConnections,
    ListDaemons,
    ListTable,
    ListTimeouts,
    Request,
    Restore,
    Save,
    Style,
    WordsError,
)
from lvsha.core.types import (
    Destination,
    DestinationKey,
    Family,
    Forwarding,
    FwmarkKey,
    Key,
    Protocol,
    Service,
    ServiceFlags,
    ServiceKey,
    SyncDaemon,
    Tunnel,
)

DEFAULT_SCHEDULER = "wlc"
DEFAULT_INTERFACE = "eth0"

_ANY_FLAGS = {
    "flag-1": ServiceFlags.SCHED1,
    "flag-2": ServiceFlags.SCHED2,
    "flag-3": ServiceFlags.SCHED3,
}
_OWN_FLAGS = {
    "sh-fallback": ("sh", ServiceFlags.SCHED1),
    "sh-port": ("sh", ServiceFlags.SCHED2),
    "mh-fallback": ("mh", ServiceFlags.SCHED1),
    "mh-port": ("mh", ServiceFlags.SCHED2),
}


def judge_scheduler_flags(draft: Draft) -> None:
    """Turn the words of -b into flags, whatever the command. Raises WordsError."""
    if not draft.flag_words:
        return
    words = [word for word in draft.flag_words.split(",") if word]
    if not words:
        raise WordsError(f"invalid scheduler flag `{draft.flag_words}'")
    scheduler = draft.scheduler or DEFAULT_SCHEDULER
    for word in words:
        if word in _ANY_FLAGS:
            draft.flags |= _ANY_FLAGS[word]
            continue
        owner, flag = _OWN_FLAGS.get(word, ("", ServiceFlags.NONE))
        if not owner:
            raise WordsError(f"invalid scheduler flag `{word}'")
        if owner != scheduler:
            raise WordsError(f"incompatible scheduler flag `{word}'")
        draft.flags |= flag


def _key(draft: Draft) -> Key:
    if draft.mark:
        return FwmarkKey(draft.family or Family.IPV4, draft.mark)
    if draft.protocol is None or draft.address is None:
        raise AssertionError("a command judged complete has a service")
    return ServiceKey(draft.protocol, draft.address, draft.port)


def _service(draft: Draft) -> Service:
    if not draft.mark and not draft.port and not draft.flags & ServiceFlags.PERSISTENT:
        raise WordsError("Zero port specified for non-persistent service")
    if (
        draft.flags & ServiceFlags.ONE_PACKET
        and not draft.mark
        and draft.protocol is not Protocol.UDP
    ):
        raise WordsError("One-Packet Scheduling is only for UDP virtual services")
    return Service(
        _key(draft),
        draft.scheduler or DEFAULT_SCHEDULER,
        draft.flags,
        draft.timeout,
        _prefix(draft.netmask),
        draft.engine,
    )


def _prefix(mask: IPv4Address | int) -> int:
    """A mask's length, or minus its number where it has holes."""
    if isinstance(mask, int):
        return mask
    bits = int(mask)
    prefix = bits.bit_count()
    return prefix if bits == 0xFFFFFFFF << (32 - prefix) & 0xFFFFFFFF else -bits


def _server(draft: Draft) -> DestinationKey:
    if draft.server is None:
        raise AssertionError("a command judged complete has a server")
    return DestinationKey(draft.server, draft.server_port)


def _destination(draft: Draft) -> Destination:
    tunnelled = draft.forwarding is Forwarding.TUN
    if not draft.mark and draft.forwarding is not Forwarding.NAT:
        draft.server_port = draft.port  # neither DR nor TUN can map a port
    server = _server(draft)
    if not tunnelled:
        if Family.of(server.address) is not draft.family:
            raise WordsError("Different address family is allowed only for tunneling servers")
        if not draft.given.isdisjoint(_TUNNEL_OPTIONS):
            raise WordsError("Tunnel options conflict with forward method")
    return Destination(
        server,
        draft.forwarding,
        draft.weight,
        draft.upper_threshold,
        draft.lower_threshold,
        _tunnel(draft) if tunnelled else _NO_TUNNEL,
    )


def _tunnel(draft: Draft) -> Tunnel:
    check_tunnel(draft.tunnel_type.name.lower(), draft.given)
    return Tunnel(draft.tunnel_type, draft.tunnel_port, draft.tunnel_flags)


_NO_TUNNEL = Tunnel()
_TUNNEL_OPTIONS = frozenset({"tun-type", *TUNNEL_NAMES})


def _zero(draft: Draft) -> Request:
    """ipvsadm takes the service 0.0.0.0:0 for none at all."""
    unspecified = not draft.mark and not draft.port and not (draft.address and int(draft.address))
    return Change(Zero(None if unspecified else _key(draft)))


def _list(draft: Draft) -> Request:
    given = draft.given
    other = given & {"connection", "timeout", "daemon"}
    if (other and given & {"stats", "rate", "thresholds"}) or (
        given & {"timeout", "daemon"} and "persistent-conn" in given
    ):
        raise WordsError("options conflicts in the list command")
    layout = _layout(draft)
    if "connection" in given:
        return ListConnections(layout)
    if "service-address" in given:
        return ListTable(layout, _key(draft))
    if "timeout" in given:
        return ListTimeouts(layout)
    return ListDaemons(layout) if "daemon" in given else ListTable(layout)


def _layout(draft: Draft) -> Layout:
    given = draft.given
    return Layout(
        next((style for style in Style if style.value in given), Style.PLAIN),
        numeric="numeric" in given,
        exact="exact" in given,
        sort="nosort" not in given,
        json="json" in given,
    )


def _daemon(draft: Draft) -> SyncDaemon:
    return SyncDaemon(
        draft.role,
        draft.interface or DEFAULT_INTERFACE,
        draft.sync_id,
        draft.max_length,
        draft.group,
        draft.group_port,
        draft.ttl,
    )


def _delete(draft: Draft, command: DeleteService | DeleteDestination) -> Request:
    drain = not draft.given.isdisjoint(("wait", "deadline"))
    return Change(command, drain, draft.deadline)


MEANINGS: dict[str, Callable[[Draft], Request]] = {
    "add-service": lambda draft: Change(AddService(_service(draft))),
    "edit-service": lambda draft: Change(SetService(_service(draft))),
    "delete-service": lambda draft: _delete(draft, DeleteService(_key(draft))),
    "clear": lambda _: Change(Flush()),
    "list": _list,
    "zero": _zero,
    "add-server": lambda draft: Change(AddDestination(_key(draft), _destination(draft))),
    "edit-server": lambda draft: Change(SetDestination(_key(draft), _destination(draft))),
    "delete-server": lambda draft: _delete(draft, DeleteDestination(_key(draft), _server(draft))),
    "set": lambda draft: Change(SetTimeouts(draft.timeouts)),
    "restore": lambda draft: Restore("atomic" in draft.given),
    "save": lambda draft: Save("numeric" in draft.given, "full" in draft.given),
    "start-daemon": lambda draft: Change(StartDaemon(_daemon(draft))),
    "stop-daemon": lambda draft: Change(StopDaemon(_daemon(draft))),
}
