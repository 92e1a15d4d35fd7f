"""Kernel settings the plan asks for: set, verified, kept, reported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lvsha.core.commands import SetTimeouts
from lvsha.core.plan import DirectorPlan
from lvsha.core.types import Family, Timeouts
from lvsha.director import forwarding
from lvsha.errors import KernelError
from lvsha.kernel.ports import Ipvs, Sysctls
from lvsha.runtime.logs import log

_IPVS = "net.ipv4.vs."


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: what is wanted, what the kernel has, and its words where it refused."""

    name: str
    wanted: str
    actual: str | None
    error: str | None = None


class Settings:
    """`sysctls:`, `timeouts:` and the forwarding NAT needs."""

    def __init__(self, sysctls: Sysctls) -> None:
        self._sysctls = sysctls
        self._plan: DirectorPlan | None = None
        self.ipvs: Ipvs | None = None
        self.state: tuple[Setting, ...] = ()

    def configure(self, plan: DirectorPlan) -> None:
        """Keep what this plan asks for from now on."""
        self._plan = plan
        self.keep()

    def keep(self) -> None:
        """Look at every setting, and write those that differ."""
        plan = self._plan
        if plan is None:
            return
        outcome = forwarding.apply(plan.nat_families, self._sysctls)
        outcome += forwarding.apply_settings(_sysctls(plan), self._sysctls)
        for line in outcome.changed:
            log.info("setting.applied", what=line)
        refused = {str(error.what): str(error) for error in outcome.errors}
        found = [self._look(name, text, refused) for name, text in _names(plan).items()]
        found += self._keep_timeouts(plan.timeouts)
        self._report(found)

    def _look(self, name: str, wanted: str, refused: Mapping[str, str]) -> Setting:
        try:
            return Setting(name, wanted, self._sysctls.read(name), refused.get(name))
        except KernelError as error:
            return Setting(name, wanted, None, str(error))

    def _report(self, found: Sequence[Setting]) -> None:
        """Keep what was found; an error is said once, until it changes."""
        known = {setting.name: setting.error for setting in self.state}
        for setting in found:
            if setting.error is not None and setting.error != known.get(setting.name):
                log.error("kernel.error", setting=setting.name, error=setting.error)
        self.state = tuple(found)

    def _keep_timeouts(self, wanted: Timeouts | None) -> list[Setting]:
        if wanted is None or self.ipvs is None:
            return []
        error = None
        try:
            actual = self.ipvs.timeouts()
            wanted = complete(wanted, actual)
            if actual != wanted:
                for refusal in self.ipvs.apply([SetTimeouts(wanted)]):
                    error = str(KernelError(refusal.errno, "", refusal.text))
                actual = self.ipvs.timeouts()
                if actual == wanted:
                    log.info("setting.applied", what=f"timeouts set to {_written(actual)}")
        except KernelError as failure:
            return [Setting("timeouts", _written(wanted), None, str(failure))]
        return [Setting("timeouts", _written(wanted), _written(actual), error)]


def complete(wanted: Timeouts, actual: Timeouts) -> Timeouts:
    """0 means untouched: what the kernel has is what is wanted."""
    return replace(
        wanted,
        tcp=wanted.tcp or actual.tcp,
        tcp_fin=wanted.tcp_fin or actual.tcp_fin,
        udp=wanted.udp or actual.udp,
    )


def _written(timeouts: Timeouts) -> str:
    return f"tcp {timeouts.tcp} s, tcp_fin {timeouts.tcp_fin} s, udp {timeouts.udp} s"


def _sysctls(plan: DirectorPlan) -> dict[str, str]:
    """A node that only carries addresses needs no IPVS, nor its settings."""
    return {
        name: text
        for name, text in plan.sysctls.items()
        if plan.services or not name.startswith(_IPVS)
    }


def _names(plan: DirectorPlan) -> dict[str, str]:
    """Everything the status shows: the file's settings and the forwarding NAT needs."""
    needed = {Family.IPV4: "net.ipv4.ip_forward", Family.IPV6: "net.ipv6.conf.all.forwarding"}
    return {needed[family]: "1" for family in sorted(plan.nat_families)} | _sysctls(plan)
