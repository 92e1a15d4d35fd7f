"""What a line of ipvsadm asks for, once its words are understood, and how it can be refused.

Named tuples, not data classes: they are made five times as fast, and a command line's start counts.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple, TypeAlias

from lvsha.core.commands import Command
from lvsha.core.types import Key
from lvsha.errors import LvshaError

USAGE = 2
"""Exit code of a mistake in the words."""
FAILURE = 255
"""Exit code of what popt could not read and of what the kernel refused."""


class WordsError(LvshaError):
    """Words ipvsadm does not take, with its own text and exit code.

    `final` ones end a whole restore; the others only their line.
    """

    def __init__(self, text: str, exit_code: int = USAGE, *, final: bool = True) -> None:
        super().__init__(text)
        self.text = text
        self.exit_code = exit_code
        self.final = final


class Style(Enum):
    """Which columns a listing has."""

    PLAIN = "plain"
    STATS = "stats"
    RATE = "rate"
    THRESHOLDS = "thresholds"
    PERSISTENT_CONN = "persistent-conn"
    TUN_INFO = "tun-info"


class Layout(NamedTuple):
    """How a listing is written."""

    style: Style = Style.PLAIN
    numeric: bool = False
    exact: bool = False
    sort: bool = True
    json: bool = False


class Change(NamedTuple):
    """One command for the kernel. `drain`: quiesce what is deleted and wait until it is idle,
    at most `deadline` seconds where one is given."""

    command: Command
    drain: bool = False
    deadline: float | None = None


class ListTable(NamedTuple):
    """The whole table, or one service of it."""

    layout: Layout
    service: Key | None = None


class ListConnections(NamedTuple):
    """-c, read from the kernel's own list."""

    layout: Layout


class ListTimeouts(NamedTuple):
    """--timeout."""

    layout: Layout


class ListDaemons(NamedTuple):
    """--daemon."""

    layout: Layout


class Save(NamedTuple):
    """`full` keeps thresholds, timeouts and daemons too."""

    numeric: bool = False
    full: bool = False


class Restore(NamedTuple):
    """`atomic`: judge all lines first, then change only what differs."""

    atomic: bool = False


class Help(NamedTuple):
    """-h."""


class Version(NamedTuple):
    """-v."""


Request: TypeAlias = (
    Change
    | ListTable
    | ListConnections
    | ListTimeouts
    | ListDaemons
    | Save
    | Restore
    | Help
    | Version
)
