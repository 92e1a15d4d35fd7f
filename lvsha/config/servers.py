"""Real servers of a service: from the file's words to the plan's values, judged on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from lvsha.config.check_levels import Level, Settled, refine, report_mistake, settle
from lvsha.config.checks import CheckMistake
from lvsha.config.document import KeyPath, Report, show_path
from lvsha.config.mapping import sound
from lvsha.config.service_schema import GreTunnel, GueTunnel, IpipTunnel
from lvsha.config.service_schema import RealServer as ServerModel
from lvsha.config.service_schema import VirtualService as ServiceModel
from lvsha.config.through_vip import virtual_address
from lvsha.core.detour import Detour
from lvsha.core.plan import Check, RealServer, Required
from lvsha.core.types import (
    Address,
    DestinationKey,
    Family,
    Forwarding,
    Key,
    ServiceKey,
    Tunnel,
    TunnelFlags,
    TunnelType,
)

_FORWARDING = {
    "nat": Forwarding.NAT,
    "dr": Forwarding.DR,
    "tun": Forwarding.TUN,
    "local": Forwarding.LOCAL,
}
_CHECKSUM = {
    "none": TunnelFlags.NOCSUM,
    "plain": TunnelFlags.CSUM,
    "remote": TunnelFlags.REMCSUM,
}


ForwardingOf: TypeAlias = Callable[[ServerModel], str | None]
"""How packets reach a server: its own word, or what is inherited; None: nobody says."""


@dataclass(frozen=True, slots=True)
class Heritage:
    """What a real server has from its service. Not `is_sure`: defaults may say more.

    `nodes` are the directors' names by address.
    """

    path: KeyPath
    key: Key
    forwarding: str | None
    check: Level
    required: Required
    is_sure: bool
    nodes: Mapping[Address, str]

    @property
    def port(self) -> int:
        """The service's port; 0 leaves a packet the one its client chose."""
        return self.key.port if isinstance(self.key, ServiceKey) else 0

    def forwarding_of(self, server: ServerModel) -> str | None:
        return server.forwarding or self.forwarding

    def forwarding_of_backup(self, server: ServerModel) -> str | None:
        """One on the director itself needs none, and one at another port can't do without nat."""
        if server.forwarding is None and server.address.is_loopback:
            return "local"
        if server.forwarding is None and server.port not in (None, self.port):
            return "nat"
        return self.forwarding_of(server)


def build_tiers(
    heritage: Heritage, service: ServiceModel, report: Report
) -> Iterator[tuple[RealServer, ...]]:
    """The sound real servers of a service, in the file's order, then those of each tier behind."""
    builder = _Builder(heritage, report)
    yield builder.build_all(("real_servers",), service.real_servers, heritage.forwarding_of)
    for i, tier in enumerate(service.backups):
        yield builder.build_all(("backups", i), tier, heritage.forwarding_of_backup)


class _Builder:
    """One service's servers: knows those before, and settles equal checks only once."""

    def __init__(self, heritage: Heritage, report: Report) -> None:
        self._heritage = heritage
        self._report = report
        self._seen: dict[DestinationKey, KeyPath] = {}
        self._settled: tuple[Settled, ...] = ()
        self._settled_level: Level = None

    def build_all(
        self, inside: KeyPath, servers: Sequence[ServerModel], forwarding_of: ForwardingOf
    ) -> tuple[RealServer, ...]:
        built = (
            self._build((*inside, i), server, forwarding_of(server)) for i, server in sound(servers)
        )
        return tuple(server for server in built if server is not None)

    def _build(self, inside: KeyPath, server: ServerModel, word: str | None) -> RealServer | None:
        """A server at `inside` of its service, to which packets are forwarded so."""
        heritage = self._heritage
        path = (*heritage.path, *inside)
        port = heritage.port if server.port is None else server.port
        self._judge_repeated(inside, DestinationKey(server.address, port))
        self._judge_thresholds(path, server)
        if word is None:
            if heritage.is_sure:
                hint = "nat, dr or tun: here, in defaults or per real server"
                self._report.wrong(heritage.path, "missing key 'forwarding'", hint)
            return None
        forwarding = _FORWARDING[word]
        self._judge_port(path, port, forwarding)
        self._judge_address(path, server.address, forwarding)
        if server.tunnel is not None and forwarding is not Forwarding.TUN:
            self._report.wrong((*path, "tunnel"), f"forwarding is {word}, not tun")
        return RealServer(
            server.address,
            port,
            forwarding,
            server.weight,
            server.upper_threshold,
            server.lower_threshold,
            _tunnel(server),
            self._checks(path, server, port, forwarding),
            heritage.required,
        )

    def _judge_repeated(self, inside: KeyPath, key: DestinationKey) -> None:
        first = self._seen.setdefault(key, inside)
        if first != inside:
            message = f"{key} is already {show_path(first)} of this service"
            self._report.wrong((*self._heritage.path, *inside), message)

    def _judge_thresholds(self, path: KeyPath, server: ServerModel) -> None:
        lower, upper = server.lower_threshold, server.upper_threshold
        if lower > upper:
            message = f"{lower} is above upper_threshold {upper}"
            self._report.wrong((*path, "lower_threshold"), message)

    def _judge_port(self, path: KeyPath, port: int, forwarding: Forwarding) -> None:
        wanted = self._heritage.port
        word = forwarding.name.lower()
        if forwarding is not Forwarding.NAT and port != wanted:
            whose = f"the service's port {wanted}" if wanted else "the port the client chose"
            message = f"{port} is not {whose}, and {word} can't map ports"
            hint = "leave the port out, or take forwarding nat"
            self._report.wrong((*path, "port"), message, hint)
        elif port == 0 and wanted != 0:
            self._report.wrong((*path, "port"), f"0 is not a port, and the service has {wanted}")

    def _judge_address(self, path: KeyPath, address: Address, forwarding: Forwarding) -> None:
        at = (*path, "address")
        family = self._heritage.key.family
        if forwarding is not Forwarding.TUN and Family.of(address) is not family:
            message = f"{address} is not {show_family(family)}, as its service is"
            hint = "only tun carries one family inside the other"
            self._report.wrong(at, message, hint)
        node = self._heritage.nodes.get(address)
        if node is not None and forwarding is Forwarding.DR:
            message = f"{address} is node {node!r}: a director is not its own dr real server"
            self._report.wrong(at, message)

    def _checks(
        self, path: KeyPath, server: ServerModel, port: int, forwarding: Forwarding
    ) -> tuple[Check, ...]:
        at = (*path, "check")
        level = refine(self._heritage.check, server.check, at, self._report)
        if level is not self._settled_level:
            self._settled_level, self._settled = level, settle(level, self._report)
        aimed = (self._aimed(settled, server, port, forwarding) for settled in self._settled)
        return tuple(dict.fromkeys(check for check in aimed if check is not None))

    def _aimed(
        self, settled: Settled, server: ServerModel, port: int, forwarding: Forwarding
    ) -> Check | None:
        address, detour = server.address, None
        if settled.common.via == "vip":
            heritage = self._heritage
            detour = Detour(address, forwarding, _tunnel(server))
            virtual = virtual_address(heritage.key, detour, settled.common, heritage.nodes)
            if isinstance(virtual, CheckMistake):
                report_mistake(settled.spec, virtual, self._report)
                return None
            address = virtual
        check = settled.aimed_at(address, port, detour)
        if check.port == 0 and settled.common.uses_port:
            hint = "the real server's port is 0; say which one to probe"
            self._report.wrong(settled.spec.at, "missing key 'port'", hint)
        source = settled.common.source
        if source is not None and source.version != check.address.version:
            at = (*settled.spec.origin["source"], "source")
            family = show_family(Family.of(check.address))
            self._report.wrong(at, f"{source} is not {family}, as the probed {check.address} is")
        return check


def _tunnel(server: ServerModel) -> Tunnel:
    match server.tunnel:
        case None | IpipTunnel():
            return Tunnel()
        case GueTunnel(port=port, checksum=checksum):
            return Tunnel(TunnelType.GUE, port, _CHECKSUM[checksum])
        case GreTunnel(checksum=checksum):
            return Tunnel(TunnelType.GRE, 0, _CHECKSUM[checksum])
        case other:
            assert_never(other)


def show_family(family: Family) -> str:
    return "IPv4" if family is Family.IPV4 else "IPv6"
