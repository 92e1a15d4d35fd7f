"""Real servers of a service: from the file's words to the plan's values, judged on the way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from lvsha.config.check_levels import Level, level_of
from lvsha.config.checks import CheckMistake
from lvsha.config.document import KeyPath, Report, show_path
from lvsha.config.mapping import Unsound, rule, sound
from lvsha.config.per_node import judge_names
from lvsha.config.schema import Defaults
from lvsha.config.service_schema import GreTunnel, GueTunnel, IpipTunnel
from lvsha.config.service_schema import RealServer as ServerModel
from lvsha.config.service_schema import VirtualService as ServiceModel
from lvsha.config.settled import Settled, report_mistake, settle
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
    """What a real server has from its service, and from `defaults` unless they are unknown.

    `nodes` are the directors' names by address, `node` is the one whose plan this is;
    `node_names` None: a mistake leaves them unknown.
    """

    path: KeyPath
    known_key: Key | None
    service: ServiceModel
    defaults: Defaults | None
    check: Level
    node: str
    nodes: Mapping[Address, str]
    node_names: Collection[str] | None

    @property
    def key(self) -> Key:
        """Raises Unsound where it is not known."""
        if self.known_key is None:
            raise Unsound
        return self.known_key

    @property
    def port(self) -> int:
        """The service's port; 0 leaves a packet the one its client chose."""
        return self.key.port if isinstance(self.key, ServiceKey) else 0

    def forwarding_of(self, server: ServerModel) -> str | None:
        word = server.forwarding or self.service.forwarding
        if word is None and self.defaults is None:
            raise Unsound
        return word or (self.defaults.forwarding if self.defaults else None)

    def forwarding_of_backup(self, server: ServerModel) -> str | None:
        """One on the director itself needs none, and one at another port can't do without nat."""
        if server.forwarding is None and server.address.is_loopback:
            return "local"
        if server.forwarding is None and server.port not in (None, self.port):
            return "nat"
        return self.forwarding_of(server)


def build_tiers(heritage: Heritage, report: Report) -> tuple[tuple[RealServer, ...], ...]:
    """The sound real servers of a service, in the file's order, then those of each tier behind."""
    builder, service = _Builder(heritage, report), heritage.service
    known = _real_servers(service)
    if not known and (known is None or service.real_servers):
        settle(heritage.check, report)  # no server is left by which its check would be judged
    first = builder.build_all(("real_servers",), heritage.forwarding_of, known or ())
    behind = (
        builder.build_all(("backups", i), heritage.forwarding_of_backup, tuple(sound(tier)))
        for i, tier in enumerate(_backups(service) or ())
    )
    return (first, *behind)


@rule
def _real_servers(service: ServiceModel) -> tuple[tuple[int, ServerModel], ...]:
    return tuple(sound(service.real_servers))


@rule
def _backups(service: ServiceModel) -> Sequence[Sequence[ServerModel]]:
    return service.backups


class _Builder:
    """One service's servers: knows those before, and settles equal checks only once."""

    def __init__(self, heritage: Heritage, report: Report) -> None:
        self._heritage = heritage
        self._report = report
        self._seen: dict[DestinationKey, KeyPath] = {}
        self._settled: tuple[Settled, ...] = ()
        self._settled_level: Level = None

    def build_all(
        self,
        inside: KeyPath,
        forwarding_of: ForwardingOf,
        servers: Sequence[tuple[int, ServerModel]],
    ) -> tuple[RealServer, ...]:
        built = (self._build((*inside, i), server, forwarding_of) for i, server in servers)
        return tuple(server for server in built if server is not None)

    def _build(
        self, inside: KeyPath, server: ServerModel, forwarding_of: ForwardingOf
    ) -> RealServer | None:
        """A server at `inside` of its service, to which packets are forwarded so."""
        path = (*self._heritage.path, *inside)
        self._judge_repeated(inside, server)
        self._judge_thresholds(path, server)
        word = self._forwarding(server, forwarding_of)
        checks = self._checks(path, server, word)
        if word is None:
            return None
        self._judge_port(path, server, _FORWARDING[word])
        self._judge_address(path, server, _FORWARDING[word])
        self._judge_tunnel(path, server, word)
        return self._plan(server, _FORWARDING[word], checks or ())

    @rule
    def _plan(
        self, server: ServerModel, forwarding: Forwarding, checks: tuple[Check, ...]
    ) -> RealServer:
        return RealServer(
            server.address,
            self._port(server),
            forwarding,
            server.weight,
            server.upper_threshold,
            server.lower_threshold,
            _tunnel(server),
            checks,
            Required(self._heritage.service.checks_required),
        )

    def _port(self, server: ServerModel) -> int:
        return self._heritage.port if server.port is None else server.port

    @rule
    def _judge_repeated(self, inside: KeyPath, server: ServerModel) -> None:
        key = DestinationKey(server.address, self._port(server))
        first = self._seen.setdefault(key, inside)
        if first != inside:
            message = f"{key} is already {show_path(first)} of this service"
            self._report.wrong((*self._heritage.path, *inside), message)

    @rule
    def _judge_thresholds(self, path: KeyPath, server: ServerModel) -> None:
        lower, upper = server.lower_threshold, server.upper_threshold
        if lower > upper:
            message = f"{lower} is above upper_threshold {upper}"
            self._report.wrong((*path, "lower_threshold"), message)

    @rule
    def _forwarding(self, server: ServerModel, forwarding_of: ForwardingOf) -> str | None:
        word = forwarding_of(server)
        if word is None:
            hint = "nat, dr or tun: here, in defaults or per real server"
            self._report.wrong(self._heritage.path, "missing key 'forwarding'", hint)
        return word

    @rule
    def _judge_port(self, path: KeyPath, server: ServerModel, forwarding: Forwarding) -> None:
        port, wanted = self._port(server), self._heritage.port
        word = forwarding.name.lower()
        if forwarding is not Forwarding.NAT and port != wanted:
            whose = f"the service's port {wanted}" if wanted else "the port the client chose"
            message = f"{port} is not {whose}, and {word} can't map ports"
            hint = "leave the port out, or take forwarding nat"
            self._report.wrong((*path, "port"), message, hint)
        elif port == 0 and wanted != 0:
            self._report.wrong((*path, "port"), f"0 is not a port, and the service has {wanted}")

    @rule
    def _judge_address(self, path: KeyPath, server: ServerModel, forwarding: Forwarding) -> None:
        at, address = (*path, "address"), server.address
        node = self._heritage.nodes.get(address)
        if node is not None and forwarding is Forwarding.DR:
            message = f"{address} is node {node!r}: a director is not its own dr real server"
            self._report.wrong(at, message)
        family = self._heritage.key.family
        if forwarding is not Forwarding.TUN and Family.of(address) is not family:
            message = f"{address} is not {show_family(family)}, as its service is"
            hint = "only tun carries one family inside the other"
            self._report.wrong(at, message, hint)

    @rule
    def _judge_tunnel(self, path: KeyPath, server: ServerModel, word: str) -> None:
        if server.tunnel is not None and word != "tun":
            self._report.wrong((*path, "tunnel"), f"forwarding is {word}, not tun")

    @rule
    def _checks(self, path: KeyPath, server: ServerModel, word: str | None) -> tuple[Check, ...]:
        level = level_of(server, self._heritage.check, (*path, "check"), self._report)
        if level is not self._settled_level:
            self._settled_level, self._settled = level, settle(level, self._report)
            self._judge_node_names()
        aimed = (self._aimed(settled, server, word) for settled in self._settled)
        return tuple(dict.fromkeys(check for check in aimed if check is not None))

    def _judge_node_names(self) -> None:
        names = self._heritage.node_names
        for settled in self._settled if names is not None else ():
            origin, common = settled.spec.origin, settled.common
            for key, values in (("source", common.source), ("device", common.device)):
                judge_names((*origin.get(key, ()), key), values, names or (), self._report)

    def _aimed(self, settled: Settled, server: ServerModel, word: str | None) -> Check | None:
        address, detour = server.address, None
        if settled.common.via == "vip":
            if word is None:
                raise Unsound
            heritage = self._heritage
            detour = Detour(address, _FORWARDING[word], _tunnel(server))
            virtual = virtual_address(heritage.key, detour, settled.common, heritage.nodes)
            if isinstance(virtual, CheckMistake):
                report_mistake(settled.spec, virtual, self._report)
                return None
            address = virtual
        check = settled.aimed_at(address, self._port(server), self._heritage.node, detour)
        if check.port == 0 and settled.common.uses_port and settled.common.needs_port:
            hint = "the real server's port is 0; say which one to probe"
            self._report.wrong(settled.spec.at, "missing key 'port'", hint)
        self._judge_source(settled, check)
        return check

    def _judge_source(self, settled: Settled, check: Check) -> None:
        source = check.origin.source if check.origin else None
        if source is not None and source.version != check.address.version:
            at = (*settled.spec.origin["source"], "source", self._heritage.node)
            family = show_family(Family.of(check.address))
            self._report.wrong(at, f"{source} is not {family}, as the probed {check.address} is")


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
