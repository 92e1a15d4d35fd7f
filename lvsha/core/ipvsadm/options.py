"""ipvsadm's commands and options, and which of them go together.

`NAMES` is the order in which ipvsadm judges a command's options; the last five are ours.
"""

from __future__ import annotations

from collections.abc import Set
from enum import Enum
from typing import NamedTuple


class Takes(Enum):
    """Whether a word belongs to the option."""

    NOTHING = 0
    MAYBE = 1
    A_WORD = 2


class Option(NamedTuple):
    """One option. Long options without a letter have ""."""

    name: str
    letter: str = ""
    takes: Takes = Takes.NOTHING


COMMANDS = (
    Option("add-service", "A"),
    Option("edit-service", "E"),
    Option("delete-service", "D"),
    Option("clear", "C"),
    Option("list", "L"),
    Option("list", "l"),
    Option("zero", "Z"),
    Option("add-server", "a"),
    Option("edit-server", "e"),
    Option("delete-server", "d"),
    Option("set"),
    Option("help", "h"),
    Option("version", "v"),
    Option("restore", "R"),
    Option("save", "S"),
    Option("start-daemon", "", Takes.A_WORD),
    Option("stop-daemon", "", Takes.A_WORD),
)
COMMAND_NAMES = frozenset(option.name for option in COMMANDS)

OPTIONS = (
    Option("tcp-service", "t", Takes.A_WORD),
    Option("udp-service", "u", Takes.A_WORD),
    Option("sctp-service", "", Takes.A_WORD),
    Option("fwmark-service", "f", Takes.A_WORD),
    Option("scheduler", "s", Takes.A_WORD),
    Option("persistent", "p", Takes.MAYBE),
    Option("netmask", "M", Takes.A_WORD),
    Option("real-server", "r", Takes.A_WORD),
    Option("masquerading", "m"),
    Option("ipip", "i"),
    Option("gatewaying", "g"),
    Option("weight", "w", Takes.A_WORD),
    Option("u-threshold", "x", Takes.A_WORD),
    Option("l-threshold", "y", Takes.A_WORD),
    Option("numeric", "n"),
    Option("connection", "c"),
    Option("mcast-interface", "", Takes.A_WORD),
    Option("syncid", "", Takes.A_WORD),
    Option("timeout"),
    Option("daemon"),
    Option("stats"),
    Option("rate"),
    Option("thresholds"),
    Option("persistent-conn"),
    Option("nosort"),
    Option("sort"),
    Option("exact", "X"),
    Option("ipv6", "6"),
    Option("ops", "o"),
    Option("pe", "", Takes.A_WORD),
    Option("sched-flags", "b", Takes.A_WORD),
    Option("mcast-group", "", Takes.A_WORD),
    Option("mcast-port", "", Takes.A_WORD),
    Option("mcast-ttl", "", Takes.A_WORD),
    Option("sync-maxlen", "", Takes.A_WORD),
    Option("tun-info"),
    Option("tun-type", "", Takes.A_WORD),
    Option("tun-port", "", Takes.A_WORD),
    Option("tun-nocsum"),
    Option("tun-csum"),
    Option("tun-remcsum"),
    Option("json"),
    Option("full"),
    Option("atomic"),
    Option("wait"),
    Option("deadline", "", Takes.A_WORD),
)

BY_NAME = {option.name: option for option in COMMANDS + OPTIONS}
BY_LETTER = {option.letter: option for option in COMMANDS + OPTIONS if option.letter}
BY_WORD = {f"--{name}": option for name, option in BY_NAME.items()} | {
    f"-{letter}": option for letter, option in BY_LETTER.items()
}

SHARED_NAMES = {
    "tcp-service": "service-address",
    "udp-service": "service-address",
    "sctp-service": "service-address",
    "fwmark-service": "service-address",
    "masquerading": "forwarding-method",
    "ipip": "forwarding-method",
    "gatewaying": "forwarding-method",
}
"""Options that exclude each other count as one, under this name."""

UNCOUNTED = frozenset({"sort", "ipv6"})
"""Options that may stand any number of times with any command."""

NAMES = (
    *("numeric", "connection", "service-address", "scheduler", "persistent", "netmask"),
    *("real-server", "forwarding-method", "weight", "u-threshold", "l-threshold"),
    *("mcast-interface", "timeout", "daemon", "stats", "rate", "thresholds", "persistent-conn"),
    *("nosort", "syncid", "exact", "ops", "pe", "sched-flags", "mcast-group", "mcast-port"),
    *("mcast-ttl", "sync-maxlen", "tun-info", "tun-type", "tun-port", "tun-nocsum", "tun-csum"),
    *("tun-remcsum", "json", "full", "atomic", "wait", "deadline"),
)
TUNNEL_NAMES = ("tun-port", "tun-nocsum", "tun-csum", "tun-remcsum")


class Legality(NamedTuple):
    """What a command (or a tunnel type) makes of the options; any other is illegal with it."""

    compulsory: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    exclusive: frozenset[str] = frozenset()

    def plainly_allows(self, given: Set[str]) -> bool:
        """Whether all is there and nothing else, without a look at what excludes what."""
        return self.compulsory <= given and given - self.compulsory <= self.optional


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SERVICE = _words("service-address")
_SERVER = _words("service-address real-server")
_SERVICE_OPTIONS = _words("scheduler persistent netmask ops pe sched-flags")
_SERVER_OPTIONS = _words(
    "forwarding-method weight u-threshold l-threshold"
    " tun-type tun-port tun-nocsum tun-csum tun-remcsum"
)
_LIST_OPTIONS = _words(
    "numeric stats rate thresholds persistent-conn nosort syncid exact tun-info json"
)
_DAEMON_OPTIONS = _words("syncid mcast-interface mcast-group mcast-port mcast-ttl sync-maxlen")
_DRAIN_OPTIONS = _words("wait deadline")

LEGALITY = {
    "add-service": Legality(_SERVICE, _SERVICE_OPTIONS),
    "edit-service": Legality(_SERVICE, _SERVICE_OPTIONS),
    "delete-service": Legality(_SERVICE, _DRAIN_OPTIONS),
    "clear": Legality(),
    "list": Legality(
        frozenset(), _LIST_OPTIONS, _words("connection service-address timeout daemon")
    ),
    "add-server": Legality(_SERVER, _SERVER_OPTIONS),
    "delete-server": Legality(_SERVER, _DRAIN_OPTIONS),
    "edit-server": Legality(_SERVER, _SERVER_OPTIONS),
    "set": Legality(),
    "start-daemon": Legality(frozenset(), _DAEMON_OPTIONS),
    "stop-daemon": Legality(frozenset(), _words("syncid")),
    "restore": Legality(frozenset(), _words("atomic")),
    "save": Legality(frozenset(), _words("numeric full")),
    "zero": Legality(frozenset(), _SERVICE),
}
JUDGED_AS = {"clear": "flush"}
"""The name a command has in messages, where it is not its option's."""

TUNNEL_LEGALITY = {
    "ipip": Legality(),
    "gue": Legality(_words("tun-port"), frozenset(), _words("tun-nocsum tun-csum tun-remcsum")),
    "gre": Legality(frozenset(), frozenset(), _words("tun-nocsum tun-csum")),
}
