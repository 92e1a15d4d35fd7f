"""Virtual services and their real servers as the file has them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Discriminator, PlainValidator, WrapValidator

from lvsha.config.checks import CheckType, check_level
from lvsha.config.expansion import VirtualAddresses, VirtualPorts
from lvsha.config.mapping import CUT, Strict, keep_cut
from lvsha.config.scalars import (
    DampingTime,
    Flag,
    Hysteresis,
    IpAddress,
    KernelTime,
    Mark,
    Name,
    Netmask,
    Percent,
    Port,
    RealPort,
    Threshold,
    Transitions,
    UpToADay,
    Weight,
    WeightSum,
)
from lvsha.config.wording import WrongValueError, show

CheckLevel: TypeAlias = Annotated[
    Any,
    PlainValidator(
        check_level, json_schema_input_type=Literal["none"] | CheckType | list[CheckType]
    ),
]
OnFailure: TypeAlias = Literal["remove", "quiesce"]
Forwarding: TypeAlias = Literal["nat", "dr", "tun"]
Scheduler: TypeAlias = Literal[
    "rr", "wrr", "lc", "wlc", "lblc", "lblcr", "sh", "dh", "sed", "nq", "mh", "fo", "ovf"
]
SchedulerFlag: TypeAlias = Literal["sh-port", "sh-fallback", "mh-port", "mh-fallback"]


def _only_timeout(value: object) -> object:
    return value if isinstance(value, dict) else {"timeout": value}


class Persistence(Strict):
    """A client stays with its real server for this long after its last connection."""

    timeout: KernelTime
    """1s to 31 days in whole seconds."""
    netmask: Netmask | None = None
    """Groups clients: 255.255.255.0, or of IPv6 a prefix length; default each for itself."""


class Damping(Strict):
    """A server that flaps is held down until it has had time to calm."""

    transitions: Transitions = 4
    """Changes between up and down, in either direction, after which it is held: 2 to 100."""
    window: DampingTime = 60.0
    """The time in which they count: 1s to 24h."""
    hold: DampingTime = 120.0
    """How long it is held down, whatever its checks say: 1s to 24h."""


def _only_type(value: object) -> object:
    return {"type": value} if isinstance(value, str) else value


class IpipTunnel(Strict):
    """IP in IP."""

    type: Literal["ipip"]


class GueTunnel(Strict):
    """Generic UDP encapsulation."""

    type: Literal["gue"]
    port: RealPort
    """UDP port the real server listens on."""
    checksum: Literal["none", "plain", "remote"] = "none"
    """Of the outer UDP header."""


class GreTunnel(Strict):
    """Generic routing encapsulation."""

    type: Literal["gre"]
    checksum: Literal["none", "plain"] = "none"
    """Of the GRE header."""


Tunnel: TypeAlias = Annotated[
    Annotated[IpipTunnel | GueTunnel | GreTunnel, Discriminator("type")],
    BeforeValidator(
        _only_type,
        json_schema_input_type=Literal["ipip", "gre"] | IpipTunnel | GueTunnel | GreTunnel,
    ),
]


class RealServer(Strict):
    """A machine that serves. In short form just its address."""

    address: IpAddress
    """Its address."""
    port: Port | None = None
    """Its port; default the service's. With dr and tun nothing else works."""
    weight: Weight = 1
    """Share of connections, 0 to 65535; 0 takes no new ones."""
    forwarding: Forwarding | None = None
    """How packets reach it; default the service's."""
    tunnel: Tunnel | None = None
    """Encapsulation, with forwarding tun; default ipip."""
    upper_threshold: Threshold = 0
    """Connections at which it takes no more; 0 is no limit."""
    lower_threshold: Threshold = 0
    """Connections below which it takes some again."""
    check: CheckLevel = None
    """Refines the service's check for this server."""


def _real_server(value: Any, validate: Any) -> Any:
    match value:
        case str():
            return validate({"address": value})
        case dict():
            return validate(value)
        case _:
            if value is CUT:
                return value
            raise WrongValueError(f"{show(value)} is not a real server", "write its address")


RealServerItem: TypeAlias = Annotated[
    RealServer, WrapValidator(_real_server, json_schema_input_type=IpAddress | RealServer)
]


class VirtualService(Strict):
    """An address, protocol and port, or a firewall mark, spread over real servers."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["address", "port"]}, {"required": ["fwmark", "family"]}]
        }
    )

    name: Name
    """Its name in status, logs and metrics."""
    protocol: Literal["tcp", "udp", "sctp"] | None = None
    """Transport protocol; default tcp."""
    address: VirtualAddresses | None = None
    """The virtual address clients use; 192.0.2.10-20: a service each, its address in its name."""
    port: VirtualPorts | None = None
    """The port clients use; 0, only with persistence, is every port; a list: a service each."""
    fwmark: Mark | None = None
    """In place of protocol, address and port: packets marked so by the firewall."""
    family: Literal["ipv4", "ipv6"] | None = None
    """Address family of a fwmark service."""
    scheduler: Scheduler = "wlc"
    """Who gets the next connection."""
    scheduler_flags: list[SchedulerFlag] = []
    """Options of sh and mh."""
    forwarding: Forwarding | None = None
    """How packets reach real servers: required here, in defaults or per real server."""
    persistence: (
        Annotated[
            Persistence,
            BeforeValidator(_only_timeout, json_schema_input_type=KernelTime | Persistence),
        ]
        | None
    ) = None
    """A client's time with its real server; absent is none."""
    one_packet: Flag = False
    """Schedule every packet on its own: udp and fwmark services only."""
    on_failure: OnFailure | None = None
    """What becomes of a failed real server; default that of `defaults`."""
    check: CheckLevel = None
    """Refines the check of `defaults`; a list: several; `none`: its servers are always up."""
    checks_required: Literal["all", "any"] = "all"
    """Which of several checks must pass for a server to be up."""
    quorum: WeightSum = 1
    """Sum of live servers' weights from which the service is UP; never more than all have."""
    hysteresis: Hysteresis = 0
    """Lost below quorum − hysteresis, regained from quorum + hysteresis; less than the quorum."""
    initial: Literal["kernel", "up", "down"] = "kernel"
    """A server until its first verdict: as found in the kernel, else down; or always so."""
    slow_start: UpToADay = 0.0
    """Time in which the weight of a server that comes back rises from 1; give large weights."""
    drain_timeout: UpToADay = 60.0
    """How long a server that leaves keeps its connections at most; 0s takes it out at once."""
    panic_threshold: Percent = 0
    """Percent of servers down above which none is taken out: the checks are doubted; 0 is off."""
    damping: Damping | None = None
    """Holds down servers that flap; absent: none."""
    backups: list[list[RealServerItem]] = []
    """Tiers of real servers, nearest first: while the quorum is lost, one that lives stands in."""
    active_when: Literal["always", "master"] = "always"
    """master: in the table only while this node is MASTER of the router with the address."""
    real_servers: list[RealServerItem]
    """The machines that serve, each once."""


ServiceItem: TypeAlias = Annotated[VirtualService, WrapValidator(keep_cut)]
