"""The settings a director needs of its kernel: packet forwarding for NAT, and the file's own.

Called at start and at every resync: what holds already is left alone and not mentioned.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass

from lvsha.core.types import Family
from lvsha.errors import KernelError
from lvsha.kernel.ports import SysctlName, Sysctls
from lvsha.kernel.sysctls import dotted

INTERFACES = "net.ipv6.conf"
FORWARDING = f"{INTERFACES}.all.forwarding"
NOT_INTERFACES = {"all", "default", "lo"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was set, a line each, and what the kernel refused."""

    changed: tuple[str, ...] = ()
    errors: tuple[KernelError, ...] = ()

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(self.changed + other.changed, self.errors + other.errors)


def apply(families: Set[Family], sysctls: Sysctls) -> Outcome:
    """Let the kernel forward packets of these families (`DirectorPlan.nat_families`)."""
    outcome = Outcome()
    if Family.IPV4 in families:
        outcome += _set("net.ipv4.ip_forward", "1", sysctls)
    if Family.IPV6 in families:
        outcome += _forward_ipv6(sysctls)
    return outcome


def apply_settings(settings: Mapping[str, str], sysctls: Sysctls) -> Outcome:
    """Set and verify each (`DirectorPlan.sysctls`); one refused does not stop the others."""
    return sum((_set(name, value, sysctls) for name, value in settings.items()), Outcome())


def _forward_ipv6(sysctls: Sysctls) -> Outcome:
    """Forwarding, and before it `accept_ra` 2 where router advertisements are taken now.

    A forwarding interface takes none with `accept_ra` 1 (Documentation/networking/ip-sysctl):
    the director would lose its default route.
    """
    try:
        if sysctls.read(FORWARDING) != "0":
            return Outcome()
        takers = [
            interface
            for interface in set(sysctls.names(INTERFACES)) - NOT_INTERFACES
            if _takes_advertisements(interface, sysctls)
        ]
    except KernelError as error:
        return Outcome(errors=(error,))
    kept = sum((_set(_of(taker, "accept_ra"), "2", sysctls) for taker in sorted(takers)), Outcome())
    return kept if kept.errors else kept + _set(FORWARDING, "1", sysctls)


def _takes_advertisements(interface: str, sysctls: Sysctls) -> bool:
    return (
        sysctls.read(_of(interface, "forwarding")) == "0"
        and sysctls.read(_of(interface, "accept_ra")) == "1"
    )


def _of(interface: str, setting: str) -> tuple[str, ...]:
    return ("net", "ipv6", "conf", interface, setting)


def _set(name: SysctlName, value: str, sysctls: Sysctls) -> Outcome:
    try:
        was = sysctls.read(name)
        if was.split() == value.split():
            return Outcome()
        sysctls.write(name, value)
    except KernelError as error:
        return Outcome(errors=(error,))
    return Outcome((f"{dotted(name)} set to {value} (was {was})",))
