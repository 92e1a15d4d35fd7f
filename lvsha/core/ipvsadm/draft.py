"""A line of ipvsadm while it is read: each option writes its value here, in the order given.

Order matters, as in ipvsadm: -6 only after -f, -M is judged by the family known so far, and -r
takes port and protocol from the service before it.
"""

from __future__ import annotations

from ipaddress import IPv4Address

from lvsha.core.ipvsadm.names import Names, read_endpoint, read_ipv4
from lvsha.core.ipvsadm.numerals import (
    INT_MAX,
    UINT_MAX,
    dotted_quad,
    ipv6_address,
    leading_number,
    number,
)
from lvsha.core.ipvsadm.request import WordsError
from lvsha.core.types import (
    Address,
    Family,
    Forwarding,
    Protocol,
    ServiceFlags,
    SyncRole,
    Timeouts,
    TunnelFlags,
    TunnelType,
)

MONTH = 86400 * 31
"""The longest timeout in seconds."""
PERSISTENCE = 360
"""Seconds of -p without a value."""
NAME_ROOM = 15
"""Bytes of a scheduler's or an interface's name; ipvsadm cuts the rest."""
ENGINE_ROOM = 16
FLAGS_ROOM = 127
MAX_SYNC_LENGTH = 65535 - 20 - 8
HOST_MASK = IPv4Address("255.255.255.255")

PROTOCOLS = {
    "tcp-service": Protocol.TCP,
    "udp-service": Protocol.UDP,
    "sctp-service": Protocol.SCTP,
}
FORWARDING = {
    "masquerading": Forwarding.NAT,
    "ipip": Forwarding.TUN,
    "gatewaying": Forwarding.DR,
}
TUNNEL_FLAGS = {
    "tun-nocsum": TunnelFlags.NOCSUM,
    "tun-csum": TunnelFlags.CSUM,
    "tun-remcsum": TunnelFlags.REMCSUM,
}
TUNNEL_TYPES = {kind.name.lower(): kind for kind in TunnelType}
ROLES = {role.name.lower(): role for role in SyncRole}


class Draft:
    """Everything a line can say, at its default until said."""

    family: Family | None = None
    protocol: Protocol | None = None
    address: Address | None = None
    port = 0
    mark = 0
    scheduler = ""
    flags = ServiceFlags.NONE
    flag_words = ""
    timeout = 0
    netmask: IPv4Address | int = HOST_MASK
    engine = ""
    server: Address | None = None
    server_port = 0
    forwarding = Forwarding.DR
    weight = 1
    upper_threshold = 0
    lower_threshold = 0
    tunnel_type = TunnelType.IPIP
    tunnel_port = 0
    tunnel_flags = TunnelFlags.NOCSUM
    timeouts = Timeouts()
    role = SyncRole.MASTER
    interface = ""
    sync_id = 0
    max_length = 0
    group: Address | None = None
    group_port = 0
    ttl = 0
    deadline: float | None = None

    def __init__(self, names: Names) -> None:
        self.names = names
        self.given: set[str] = set()


def read_service(draft: Draft, option: str, value: str) -> None:
    """-t, -u, --sctp-service."""
    draft.protocol = PROTOCOLS[option]
    endpoint = read_endpoint(value, draft.protocol, draft.names)
    if endpoint is None:
        raise WordsError("illegal virtual server address[:port] specified")
    draft.address, draft.port = endpoint.address, endpoint.port or 0
    draft.family = Family.of(endpoint.address)
    if draft.family is Family.IPV6:
        draft.netmask = 128


def read_mark(draft: Draft, option: str, value: str) -> None:
    """-f."""
    mark = number(value, 1, UINT_MAX)
    if mark is None:
        raise WordsError(f"invalid fwmark value `{value}' specified")
    draft.family, draft.protocol, draft.mark = Family.IPV4, Protocol.TCP, mark


def read_ipv6(draft: Draft, option: str, value: str) -> None:
    """-6."""
    if not draft.mark:
        raise WordsError("-6 used before -f\n")
    draft.family, draft.netmask = Family.IPV6, 128


def read_scheduler(draft: Draft, option: str, value: str) -> None:
    draft.scheduler = _cut(value, NAME_ROOM)


def read_persistence(draft: Draft, option: str, value: str | None) -> None:
    draft.flags |= ServiceFlags.PERSISTENT
    draft.timeout = PERSISTENCE if value is None else timeout(value, 1)


def timeout(text: str, low: int) -> int:
    """Seconds, from `low` to 31 days."""
    seconds = number(text, low, MONTH)
    if seconds is None:
        raise WordsError(f"invalid timeout value `{text}' specified")
    return seconds


def read_netmask(draft: Draft, option: str, value: str) -> None:
    if draft.family is Family.IPV6:
        draft.netmask = leading_number(value)
        if not 1 <= draft.netmask <= 128:
            raise WordsError("illegal ipv6 netmask specified")
        return
    mask = read_ipv4(value, draft.names)
    if mask is None:
        raise WordsError("illegal virtual server persistent mask specified")
    draft.netmask = mask


def read_server(draft: Draft, option: str, value: str) -> None:
    """-r; without a port the service's."""
    endpoint = read_endpoint(value, draft.protocol, draft.names)
    if endpoint is None:
        raise WordsError("illegal real server address[:port] specified")
    draft.server = endpoint.address
    draft.server_port = draft.port if endpoint.port is None else endpoint.port


def read_forwarding(draft: Draft, option: str, value: str) -> None:
    draft.forwarding = FORWARDING[option]


def read_weight(draft: Draft, option: str, value: str) -> None:
    draft.weight = _bounded(value, 0, INT_MAX, "illegal weight specified")


def read_upper_threshold(draft: Draft, option: str, value: str) -> None:
    draft.upper_threshold = _bounded(value, 0, INT_MAX, "illegal u_threshold specified")


def read_lower_threshold(draft: Draft, option: str, value: str) -> None:
    draft.lower_threshold = _bounded(value, 0, INT_MAX, "illegal l_threshold specified")


def read_one_packet(draft: Draft, option: str, value: str) -> None:
    draft.flags |= ServiceFlags.ONE_PACKET


def read_engine(draft: Draft, option: str, value: str) -> None:
    draft.engine = _cut(value, ENGINE_ROOM)


def read_flag_words(draft: Draft, option: str, value: str) -> None:
    """-b; judged when the whole line is known, for the scheduler may follow."""
    draft.flag_words = _cut(value, FLAGS_ROOM)


def read_tunnel_type(draft: Draft, option: str, value: str) -> None:
    kind = TUNNEL_TYPES.get(value)
    if kind is None:
        raise WordsError("illegal tunnel type specified")
    draft.tunnel_type = kind


def read_tunnel_port(draft: Draft, option: str, value: str) -> None:
    draft.tunnel_port = _bounded(value, 1, 65535, "illegal tunnel port specified")


def read_tunnel_flags(draft: Draft, option: str, value: str) -> None:
    draft.tunnel_flags |= TUNNEL_FLAGS[option]


def read_interface(draft: Draft, option: str, value: str) -> None:
    draft.interface = _cut(value, NAME_ROOM)


def read_sync_id(draft: Draft, option: str, value: str) -> None:
    draft.sync_id = _bounded(value, 0, 255, "illegal syncid specified")


def read_max_length(draft: Draft, option: str, value: str) -> None:
    draft.max_length = _bounded(value, 1, MAX_SYNC_LENGTH, "illegal sync-maxlen specified")


def read_group(draft: Draft, option: str, value: str) -> None:
    version = "IPv6" if ":" in value else "IPv4"
    group = ipv6_address(value) if ":" in value else dotted_quad(value)
    if group is None or not group.is_multicast:
        raise WordsError(f"invalid {version} mcast-group `{value}'")
    draft.group = group


def read_group_port(draft: Draft, option: str, value: str) -> None:
    draft.group_port = _bounded(value, 1, 65535, "illegal mcast-port specified")


def read_ttl(draft: Draft, option: str, value: str) -> None:
    draft.ttl = _bounded(value, 1, 255, "illegal mcast-ttl specified")


def read_deadline(draft: Draft, option: str, value: str) -> None:
    draft.deadline = float(timeout(value, 0))


def _cut(text: str, room: int) -> str:
    """The text in no more than so many bytes."""
    return text.encode("utf-8", "surrogateescape")[:room].decode("utf-8", "surrogateescape")


def _bounded(text: str, low: int, high: int, complaint: str) -> int:
    value = number(text, low, high)
    if value is None:
        raise WordsError(complaint)
    return value
