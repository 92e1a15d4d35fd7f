"""What the file may say of health checks: one model per type, written in levels.

A check is given in `defaults`, in a service, in a real server, each level saying only what
differs. So every key is optional here; `config.check_levels` puts the levels together, and a
model judges its keys against each other only then, in `mistakes`. A new type is a file here, with
a `probe` method that makes its specification of `core.probes`, and a place in `CheckType`.
"""

from __future__ import annotations

from typing import TypeAlias, get_args

from lvsha.config.checks.agent import AgentCheck
from lvsha.config.checks.check import CheckMistake, CommonCheck
from lvsha.config.checks.databases import MysqlCheck, PostgresCheck, RedisCheck
from lvsha.config.checks.dns import DnsCheck
from lvsha.config.checks.grpc import GrpcCheck
from lvsha.config.checks.http import HttpCheck, HttpsCheck
from lvsha.config.checks.ping import PingCheck
from lvsha.config.checks.script import FileCheck, ScriptCheck
from lvsha.config.checks.smtp import SmtpCheck
from lvsha.config.checks.tcp import TcpCheck
from lvsha.config.checks.tls import TlsCheck
from lvsha.config.checks.udp import UdpCheck
from lvsha.config.wording import WrongValueError, show

__all__ = [
    "CHECKS",
    "DEFAULT_TYPE",
    "PACE",
    "CheckMistake",
    "CheckType",
    "CommonCheck",
    "check_level",
]

CheckType: TypeAlias = (
    TcpCheck
    | HttpCheck
    | HttpsCheck
    | TlsCheck
    | GrpcCheck
    | UdpCheck
    | DnsCheck
    | SmtpCheck
    | PingCheck
    | ScriptCheck
    | FileCheck
    | RedisCheck
    | MysqlCheck
    | PostgresCheck
    | AgentCheck
)  # fmt: skip
CHECKS: dict[str, type[CheckType]] = {
    model.model_fields["type"].default: model for model in get_args(CheckType)
}
DEFAULT_TYPE = "tcp"
"""Of a check that has keys, but no type at any level."""
PACE = frozenset(
    {"interval", "interval_down", "interval_transition", "jitter", "timeout", "rise", "fall"}
)
"""Keys inherited whatever the types; a type's own options stay with the type."""


def check_level(value: object) -> object:
    """A level is judged when its type is known, which it may inherit: here only its shape."""
    if value == "none" or isinstance(value, dict):
        return value
    if not isinstance(value, list):
        raise WrongValueError(f"{show(value)} is not a check", "write `none` or {type: tcp}")
    if not value:
        raise WrongValueError("an empty list is not a check", "write `none`")
    for item in value:
        if not isinstance(item, dict):
            raise WrongValueError(f"{show(item)} is not a check of a list", "write {type: tcp}")
    return value
