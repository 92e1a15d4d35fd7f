"""Real servers of a service: from the file's words to the plan's values, judged on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

from lvsha.config.check_levels import CheckSpec, Level, Settled, refine, settle
from lvsha.config.document import KeyPath, Report
from lvsha.config.mapping import sound
from lvsha.config.service_schema import GreTunnel, GueTunnel, IpipTunnel
from lvsha.config.service_schema import RealServer as ServerModel
from lvsha.core.plan import Check, RealServer
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

_FORWARDING = {"nat": Forwarding.NAT, "dr": Forwarding.DR, "tun": Forwarding.TUN}
_CHECKSUM = {
    "none": TunnelFlags.NOCSUM,
    "plain": TunnelFlags.CSUM,
    "remote": TunnelFlags.REMCSUM,
}


@dataclass(frozen=True, slots=True)
class Heritage:
    """What a real server has from its service. Not `is_sure`: defaults may say more.

    `nodes` are the directors' names by address.
    """

    path: KeyPath
    key: Key
    forwarding: str | None
    check: Level
    is_sure: bool
    nodes: Mapping[Address, str]

    @property
    def port(self) -> int:
        """The service's port; 0 leaves a packet the one its client chose."""
        return self.key.port if isinstance(self.key, ServiceKey) else 0


def build_servers(
    heritage: Heritage, servers: Sequence[ServerModel], report: Report
) -> tuple[RealServer, ...]:
    """The sound real servers of a service, in the file's order."""
    builder = _Builder(heritage, report)
    built = (builder.build(i, server) for i, server in sound(servers))
    return tuple(server for server in built if server is not None)


class _Builder:
    """One service's servers: knows those before, and each check only once."""

    def __init__(self, heritage: Heritage, report: Report) -> None:
        self._heritage = heritage
        self._report = report
        self._seen: dict[DestinationKey, int] = {}
        self._settled: Settled | None = None
        self._settled_spec: Level = None

    def build(self, index: int, server: ServerModel) -> RealServer | None:
        heritage = self._heritage
        path = (*heritage.path, "real_servers", index)
        port = heritage.port if server.port is None else server.port
        self._judge_repeated(path, index, DestinationKey(server.address, port))
        self._judge_thresholds(path, server)
        word = server.forwarding or heritage.forwarding
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
            self._check(path, server, port),
        )

    def _judge_repeated(self, path: KeyPath, index: int, key: DestinationKey) -> None:
        first = self._seen.setdefault(key, index)
        if first != index:
            self._report.wrong(path, f"{key} is already real_servers[{first}] of this service")

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

    def _check(self, path: KeyPath, server: ServerModel, port: int) -> Check | None:
        at = (*path, "check")
        spec = refine(self._heritage.check, server.check, at, self._report)
        if not isinstance(spec, CheckSpec):
            return None
        if spec is not self._settled_spec:
            self._settled_spec, self._settled = spec, settle(spec, self._report)
        if self._settled is None:
            return None
        check = self._settled.aimed_at(server.address, port)
        if check.port == 0 and self._settled.common.uses_port:
            hint = "the real server's port is 0; say which one to probe"
            self._report.wrong(spec.at, "missing key 'port'", hint)
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
