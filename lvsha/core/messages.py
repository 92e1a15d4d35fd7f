"""What the supervisor and its children say to each other: one JSON object a line.

A star: children talk only to the supervisor, which relays. Times are seconds since the epoch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from lvsha.core.codec import decode, encode
from lvsha.core.plan import DirectorPlan, VrrpPlan


@dataclass(frozen=True, slots=True)
class Configure:
    """Supervisor → child: be this from now on. `generation` grows with every plan taken."""

    generation: int
    plan: VrrpPlan | DirectorPlan


@dataclass(frozen=True, slots=True)
class Configured:
    """Child → supervisor: the plan of this generation is in force.

    From the director: the kernel's table was reconciled once.
    """

    generation: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Supervisor → child: end in order (VRRP: priority 0, addresses off)."""


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """What a peer of a virtual router last advertised; `interval` in seconds.

    `checksum` is the form its version 3 IPv4 packets have, in the file's words, else empty.
    """

    address: str
    priority: int
    interval: float
    checksum: str = ""


@dataclass(frozen=True, slots=True)
class HookStatus:
    """How the last run of a router's hook ended. `exit_code` None: not by itself."""

    told: str
    exit_code: int | None
    message: str


@dataclass(frozen=True, slots=True)
class RouterStatus:
    """One virtual router as the status shows it. `master` is None when unknown."""

    name: str
    virtual_router_id: int
    interface: str
    state: str
    priority: int
    effective_priority: int
    master: str | None
    since: float
    addresses: tuple[str, ...]
    excluded_addresses: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    counters: Mapping[str, int] = field(default_factory=dict)
    peers: tuple[PeerStatus, ...] = ()
    aside: bool = False
    hook: HookStatus | None = None


@dataclass(frozen=True, slots=True)
class VrrpStatus:
    """VRRP → supervisor → director: all routers, after every change and every few seconds.

    `lateness` is seconds by which advertisements left late: (quantile name, value).
    """

    routers: tuple[RouterStatus, ...]
    lateness: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Processes:
    """Supervisor → director: pids for the status. 0 while a child is down."""

    supervisor: int
    vrrp: int
    director: int


@dataclass(frozen=True, slots=True)
class ReloadRequested:
    """Director → supervisor: an operator asked to read the file again."""

    request: int


@dataclass(frozen=True, slots=True)
class ReloadDone:
    """Supervisor → director: how a reload went, 0 as `request` where a signal asked for it.

    `error` empty: the plan of `generation` is in force. Otherwise it is what a person is to read,
    and `exit_code` what the command ends with.
    """

    request: int
    generation: int
    error: str = ""
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class Alive:
    """Director → supervisor: its loop still turns. VRRP says as much with every VrrpStatus."""


@dataclass(frozen=True, slots=True)
class Track:
    """Director → supervisor → VRRP: whether a virtual service holds its quorum; None: unknown."""

    service: str
    ok: bool | None


@dataclass(frozen=True, slots=True)
class NodeFaults:
    """Supervisor → VRRP: every reason why no virtual router of this node can serve."""

    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Failover:
    """Director → supervisor → VRRP: an operator wants this node to hand a router over."""

    request: int
    router: str


@dataclass(frozen=True, slots=True)
class FailoverDone:
    """VRRP → supervisor → director: it has begun, or `error` says why not."""

    request: int
    error: str = ""


Message: TypeAlias = (
    Configure
    | Configured
    | Stop
    | VrrpStatus
    | Processes
    | ReloadRequested
    | ReloadDone
    | Alive
    | Track
    | NodeFaults
    | Failover
    | FailoverDone
)


def to_line(message: Message) -> bytes:
    """One line, newline included."""
    return json.dumps(encode(message), separators=(",", ":")).encode() + b"\n"


def status_part(router: RouterStatus) -> str:
    """A router's part of a VrrpStatus: what is long is said in portions (`status_line`)."""
    return json.dumps(encode(router), separators=(",", ":"))


def status_line(parts: Iterable[str], lateness: Mapping[str, float]) -> bytes:
    """The line of the VrrpStatus with these parts."""
    frame = encode(VrrpStatus((), lateness))
    text = json.dumps(frame | {"routers": "?"}, separators=(",", ":"))
    return text.replace('"?"', f"[{','.join(parts)}]", 1).encode() + b"\n"


def from_line(line: bytes) -> Message:
    """The message of a line. KeyError, TypeError or ValueError when it is none."""
    message: Message = decode(Message, json.loads(line))
    return message
