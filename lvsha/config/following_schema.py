"""What a virtual router tracks, and what moves with it, as the file has them."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated, TypeAlias

from pydantic import Field, PlainValidator, WithJsonSchema

from lvsha.config.checks.script import Program, UserName
from lvsha.config.checks.texts import matching
from lvsha.config.checks.tls import FilePath
from lvsha.config.mapping import Strict
from lvsha.config.scalars import (
    CheckInterval,
    CheckTimeout,
    InterfaceName,
    IpAddress,
    Name,
    Pace,
    Results,
    UpToADay,
    whole,
)
from lvsha.config.wording import WrongValueError, show
from lvsha.core.tracking import LARGEST_WEIGHT
from lvsha.core.types import Network

_HIGHEST_TABLE = 2**32 - 1


def _network(value: object) -> Network:
    if isinstance(value, str) and re.fullmatch(r"[0-9a-fA-F:.]+(/[0-9]{1,3})?", value):
        try:
            network = ip_network(value, strict=False)
        except ValueError:
            pass
        else:
            if str(network.network_address) != str(ip_network(value.partition("/")[0])[0]):
                raise WrongValueError(f"{show(value)} is not a network", f"write {network}")
            return network
    raise WrongValueError(f"{show(value)} is not a network: an address and its prefix length")


def _weight(value: object) -> int:
    weight = whole(-LARGEST_WEIGHT, LARGEST_WEIGHT)(value)
    if not weight:
        raise WrongValueError("0 weighs nothing", "without a weight it is a fault")
    return weight


def _number(low: int, high: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": low, "maximum": high})


IpNetwork: TypeAlias = Annotated[
    Network,
    PlainValidator(_network),
    WithJsonSchema({"type": "string", "pattern": "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$"}),
]
TrackWeight: TypeAlias = Annotated[
    int, PlainValidator(_weight), _number(-LARGEST_WEIGHT, LARGEST_WEIGHT)
]
ProcessName: TypeAlias = Annotated[
    str,
    matching(r"[^/\x00-\x1f\x7f]{1,64}", "a process name"),
    WithJsonSchema({"type": "string"}),
]
Copies: TypeAlias = Annotated[int, PlainValidator(whole(1, 100)), _number(1, 100)]
Table: TypeAlias = Annotated[int, PlainValidator(whole(1, _HIGHEST_TABLE)), _number(1, 2**32 - 1)]


class TrackScript(Strict):
    """A program on this machine that exits with 0 while all is well."""

    exec: Program
    """The program's path and its arguments; there is no shell."""
    interval: CheckInterval = 2.0
    """From one start to the next."""
    timeout: CheckTimeout | None = None
    """After that it is killed with its process group, and has said nothing; default 1s, or the
    interval where that is shorter."""
    rise: Results = 2
    """Good results in a row until it is believed well; the first result decides at once."""
    fall: Results = 2
    """Bad results in a row until it is believed ill."""
    user: UserName = "nobody"
    """Whom it runs as."""


class TrackItem(Strict):
    """One thing tracked: one of these keys, with or without a weight."""

    interface: InterfaceName | None = None
    """A network interface: well while it is up and has carrier."""
    service: Name | None = None
    """A virtual service of this file: well while its quorum holds on this node."""
    script: TrackScript | None = None
    """A program: well while it exits with 0."""
    file: FilePath | None = None
    """A file: the number in it is multiplied with the weight; missing or empty it is 0. Without
    weight anything but 0 is a fault."""
    process: ProcessName | None = None
    """A process by its name: well while at least one runs."""
    route: IpNetwork | None = None
    """A network: well while the main routing table has a route to exactly it."""
    weight: TrackWeight | None = None
    """Added to the priority: a positive one while it is well, a negative one while it is not.
    Left out: not being well is a fault."""


class Garp(Strict):
    """How a master announces its addresses: gratuitous ARP, neighbour advertisements."""

    repeat: Copies = 5
    """Copies in a burst."""
    delay: UpToADay = 5.0
    """A second burst after that time; 0: none."""
    refresh: UpToADay = 60.0
    """One copy that often for as long as it is master; 0: none."""
    interval: Pace = 0.0
    """Pause between two frames."""


class Hook(Strict):
    """A program that is run. It finds LVSHA_ROUTER, LVSHA_OLD and LVSHA_NEW in its environment."""

    exec: Program
    """The program's path and its arguments; there is no shell."""
    timeout: CheckTimeout = 10.0
    """After that it is killed with its process group."""
    user: UserName = "nobody"
    """Whom it runs as."""


class Hooks(Strict):
    """Programs that are told."""

    on_change: Hook | None = None
    """Told of every change of state, one at a time, the last state always; those in between
    may be left out while it runs."""


class Route(Strict):
    """A route through the router's interface, while it is master."""

    to: IpNetwork
    """Where to."""
    via: IpAddress
    """The next hop."""
    table: Table = 254
    """Number of the routing table; 254 is the main one."""


class Rule(Strict):
    """A routing rule, while the router is master."""

    source: Annotated[IpNetwork, Field(alias="from")]
    """Source addresses it is about."""
    table: Table
    """Number of the routing table that serves them."""


class SyncGroup(Strict):
    """Virtual routers that are all master on a node, or none of them is."""

    name: Name
    """Its name in logs."""
    routers: list[Name]
    """Names of two or more virtual routers."""
