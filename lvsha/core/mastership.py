"""The words of the VRRP election: states, what happens to a router, and what it then asks for.

Law of this file: frozen values, nothing decided. `election.step` turns one event into actions.
State names are keepalived's; RFC 9568 says Initialize, Backup, Active. Times are monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from lvsha.core.advert import Advertisement
from lvsha.core.plan import VirtualRouter
from lvsha.core.types import Address, InterfaceAddress

NOBODY = "no master heard"

STOPPING = 0
"""Priority by which a master says it stops (RFC 9568 §5.2.4)."""


class State(Enum):
    INIT = "INIT"
    BACKUP = "BACKUP"
    MASTER = "MASTER"
    FAULT = "FAULT"


@dataclass(frozen=True, slots=True)
class Router:
    """The whole memory of one virtual router.

    `priority` is the effective one. `interval` is Master_Adver_Interval: what the master
    advertises, ours until one is heard. `master` is who advertised last, ourselves in MASTER;
    `omen` is what it would mean if the deadline passed now.
    `since` is when the state began; `grace`: one late wake-up was forgiven since the last advert.
    `due`: its time to be master has come, and its sync group holds it back. `aside`: an operator
    has it serve behind a master of lower priority than the file gives it, until that one leaves.
    `not_before`: until then it only listens. `preempts_at`: from then on a master of lower
    priority is no longer left alone. `deaf`: nothing shows yet that the link brings what others
    send.
    """

    priority: int
    interval: float
    state: State = State.INIT
    deadline: float | None = None
    master: Address | None = None
    omen: str = NOBODY
    since: float = 0.0
    faults: frozenset[str] = frozenset()
    grace: bool = False
    due: bool = False
    aside: bool = False
    not_before: float = 0.0
    preempts_at: float | None = None
    deaf: bool = False


@dataclass(frozen=True, slots=True)
class Start:
    """Begin to take part."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Take part no more."""


@dataclass(frozen=True, slots=True)
class Received:
    """A peer's advertisement that passed every receive check."""

    advertisement: Advertisement
    source: Address


@dataclass(frozen=True, slots=True)
class Carried:
    """The link has brought something somebody else sent."""


@dataclass(frozen=True, slots=True)
class Timeout:
    """The deadline has come, and everything received before it was fed in.

    `held`: a backup is not to be master by itself, but with its sync group.
    """

    held: bool = False


@dataclass(frozen=True, slots=True)
class Faults:
    """Every reason, right now, why this router can not serve. Empty: it can."""

    reasons: frozenset[str]


@dataclass(frozen=True, slots=True)
class SetPriority:
    """The effective priority from now on."""

    priority: int


@dataclass(frozen=True, slots=True)
class TakeOver:
    """A backup is to be master now."""

    reason: str


@dataclass(frozen=True, slots=True)
class StepDown:
    """A master is to leave it to a peer; `aside`: until that one leaves it again."""

    reason: str
    aside: bool = False


@dataclass(frozen=True, slots=True)
class Reconfigure:
    """The parameters given to `step` are new; these were the ones before."""

    previous: VirtualRouter


Event: TypeAlias = (
    Start
    | Stop
    | Received
    | Carried
    | Timeout
    | Faults
    | SetPriority
    | TakeOver
    | StepDown
    | Reconfigure
)


@dataclass(frozen=True, slots=True)
class Advertise:
    """Send an advertisement now."""

    priority: int


@dataclass(frozen=True, slots=True)
class Own:
    """Hold exactly these addresses from now on."""

    addresses: tuple[InterfaceAddress, ...]


@dataclass(frozen=True, slots=True)
class Announce:
    """Tell the segment where the addresses are, from the first burst on."""


@dataclass(frozen=True, slots=True)
class Listen:
    """Find out whether the link brings anything: `Carried` as soon as it does."""


@dataclass(frozen=True, slots=True)
class Changed:
    """The state changed: one a transition."""

    old: State
    new: State
    reason: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """A second master was seen, and must yield to us."""

    address: Address
    priority: int


@dataclass(frozen=True, slots=True)
class Forgiven:
    """We woke `late` seconds after the deadline: the master gets one more interval to be heard."""

    late: float


Action: TypeAlias = Advertise | Own | Announce | Listen | Changed | Conflict | Forgiven
