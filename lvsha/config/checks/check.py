"""What a check of any type may say in the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from lvsha.config.mapping import Strict
from lvsha.config.per_node import AddressPerNode, InterfacePerNode
from lvsha.config.scalars import (
    CheckInterval,
    CheckTimeout,
    IpAddress,
    Jitter,
    Mark,
    RealPort,
    Results,
)


@dataclass(frozen=True, slots=True)
class CheckMistake:
    """What is wrong between the keys of a check; `key` None: with the check as a whole."""

    key: str | None
    message: str
    hint: str | None = None


class CommonCheck(Strict):
    """What a check of any type may say."""

    uses_port: ClassVar[bool] = True
    needs_port: ClassVar[bool] = True
    uses_network: ClassVar[bool] = True
    can_detour: ClassVar[bool] = True

    address: IpAddress | None = None
    """Where to probe; default the real server's address."""
    port: RealPort | None = None
    """Where to probe; default the real server's port."""
    interval: CheckInterval = 2.0
    """From the start of one probe to the start of the next: 10ms to 24h."""
    interval_down: CheckInterval | None = None
    """The same while the target is down; default `interval`."""
    interval_transition: CheckInterval | None = None
    """The same while `rise` or `fall` is being counted; default `interval`."""
    jitter: Jitter = 0
    """Percent of the interval by which each probe may start earlier or later, by chance."""
    timeout: CheckTimeout = 1.0
    """For the whole probe, not longer than `interval`, which also bounds the default."""
    rise: Results = 2
    """Passes in a row that bring a server back. The first verdict of all needs only one."""
    fall: Results = 3
    """Failures in a row that take a server out."""
    source: AddressPerNode = {}
    """Address of this machine to probe from, or one per node."""
    device: InterfacePerNode = {}
    """Network interface to probe through, or one per node."""
    mark: Mark | None = None
    """Firewall mark of the probe's packets, for routing rules."""
    via: Literal["server", "vip"] = "server"
    """`vip`: at the virtual address, by way of the server, as clients' packets go; dr and tun."""

    def mistakes(self) -> Iterator[CheckMistake]:
        """What is wrong between keys that are right by themselves, once all levels are merged."""
        return iter(())
