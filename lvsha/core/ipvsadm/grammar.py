"""ipvsadm's grammar: the words of a line → what it asks for.

Mistakes are found in ipvsadm's own order: option by option as they stand, then what popt could
not read, stray words, the scheduler's flags, which options the command takes, and last how
their values go together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lvsha.core.ipvsadm import draft as read
from lvsha.core.ipvsadm.draft import ROLES, Draft
from lvsha.core.ipvsadm.legality import check_command
from lvsha.core.ipvsadm.meaning import MEANINGS, judge_scheduler_flags
from lvsha.core.ipvsadm.names import Names
from lvsha.core.ipvsadm.options import COMMAND_NAMES, SHARED_NAMES, UNCOUNTED
from lvsha.core.ipvsadm.popt import Given, Scan, Unreadable
from lvsha.core.ipvsadm.request import FAILURE, Change, Help, Request, Version, WordsError
from lvsha.core.ipvsadm.shapes import Shape, Shapes
from lvsha.core.types import Timeouts

TRY_HELP = "Try `ipvsadm -h' or 'ipvsadm --help' for more information."

_Reader = Callable[[Draft, str, str], None]
_READERS: dict[str, _Reader] = {
    "tcp-service": read.read_service,
    "udp-service": read.read_service,
    "sctp-service": read.read_service,
    "fwmark-service": read.read_mark,
    "ipv6": read.read_ipv6,
    "scheduler": read.read_scheduler,
    "netmask": read.read_netmask,
    "real-server": read.read_server,
    "masquerading": read.read_forwarding,
    "ipip": read.read_forwarding,
    "gatewaying": read.read_forwarding,
    "weight": read.read_weight,
    "u-threshold": read.read_upper_threshold,
    "l-threshold": read.read_lower_threshold,
    "ops": read.read_one_packet,
    "pe": read.read_engine,
    "sched-flags": read.read_flag_words,
    "tun-type": read.read_tunnel_type,
    "tun-port": read.read_tunnel_port,
    "tun-nocsum": read.read_tunnel_flags,
    "tun-csum": read.read_tunnel_flags,
    "tun-remcsum": read.read_tunnel_flags,
    "mcast-interface": read.read_interface,
    "syncid": read.read_sync_id,
    "sync-maxlen": read.read_max_length,
    "mcast-group": read.read_group,
    "mcast-port": read.read_group_port,
    "mcast-ttl": read.read_ttl,
    "deadline": read.read_deadline,
}


_SHAPES = Shapes()


def parse(words: Sequence[str], names: Names) -> Request:
    """What the words behind the program's name ask for. Raises WordsError."""
    shape = _SHAPES.of(words)
    if shape is not None:
        return _parse_known(shape, words, names)
    request = _parse(words, names)
    if isinstance(request, Change):
        _SHAPES.learn(words)
    return request


def _parse_known(shape: Shape, words: Sequence[str], names: Names) -> Request:
    """Only the values are new: which options they belong to was judged before."""
    draft = Draft(names)
    for (name, _, _), place in shape.options:
        draft.given.add(SHARED_NAMES.get(name, name))
        reader = _READERS.get(name)
        if reader is not None:
            reader(draft, name, "" if place is None else words[place])
    judge_scheduler_flags(draft)
    return MEANINGS[shape.command](draft)


def _parse(words: Sequence[str], names: Names) -> Request:
    scan = Scan(words)
    options = iter(scan)
    draft = Draft(names)
    command = _command(next(options, None), draft)
    if command == "help":
        return Help()
    if command == "version":
        return Version()
    for given in options:
        if isinstance(given, Unreadable):
            raise WordsError(f"{given.word}: {given.reason}", FAILURE, final=False)
        _read(draft, given)
    left = _timeouts(scan.left, draft) if command == "set" else scan.left
    if left:
        raise WordsError(f"unexpected argument {left[0]}")
    judge_scheduler_flags(draft)
    check_command(command, draft.given)
    return MEANINGS[command](draft)


def _command(first: Given | Unreadable | None, draft: Draft) -> str:
    if not isinstance(first, Given) or first.option.name not in COMMAND_NAMES:
        raise WordsError(TRY_HELP, FAILURE)
    name, role = first.option.name, first.value or ""
    if name in ("start-daemon", "stop-daemon"):
        if role not in ROLES:
            word = "start-daemon parameter" if name == "start-daemon" else "start_daemon"
            raise WordsError(f"illegal {word} specified")
        draft.role = ROLES[role]
    return name


def _read(draft: Draft, given: Given) -> None:
    (name, _, _), value, word = given
    if name in COMMAND_NAMES:
        raise WordsError(f"invalid option `{word}'")
    if name not in UNCOUNTED:
        shared = SHARED_NAMES.get(name, name)
        if shared in draft.given:
            raise WordsError(f"multiple '{shared}' options specified")
        draft.given.add(shared)
    if name == "persistent":
        read.read_persistence(draft, name, value)
    elif (reader := _READERS.get(name)) is not None:
        reader(draft, name, value or "")


def _timeouts(words: list[str], draft: Draft) -> list[str]:
    if len(words) < 3:
        raise WordsError("--set option requires 3 timeout values")
    tcp, tcp_fin, udp = (read.timeout(word, 0) for word in words[:3])
    draft.timeouts = Timeouts(tcp, tcp_fin, udp)
    return words[3:]
