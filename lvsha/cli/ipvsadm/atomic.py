"""`-R --atomic`: all lines are judged before the first change, then only what differs changes.

Nothing is flushed and no service that stays goes away for a moment. The kernel has no
transactions: what it refuses at last (an address it does not take) is said, the rest stands.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lvsha.core.commands import Command
from lvsha.core.ipvsadm.grammar import parse
from lvsha.core.ipvsadm.refusals import refusal_text
from lvsha.core.ipvsadm.request import FAILURE, USAGE, Change, WordsError
from lvsha.core.ipvsadm.stream import restore_lines
from lvsha.core.ipvsadm.trial import difference, tried

if TYPE_CHECKING:
    from lvsha.cli.ipvsadm.session import Session


def restore_atomically(session: Session, first: Sequence[Command] = ()) -> int:
    """The exit code; nothing was changed unless it is 0, or the kernel itself refused.

    `first` is done before the lines: with Flush they describe the whole table.
    """
    try:
        commands = [*first, *_commands(session)]
    except WordsError as error:
        session.streams.complain(error.text)
        return error.exit_code
    actual = session.ipvs.table()
    wanted, others, refused = tried(actual, commands)
    for refusal in refused:
        session.streams.complain(
            refusal_text(refusal.command, refusal.errno) or os.strerror(refusal.errno)
        )
    if refused:
        return FAILURE
    complaints = session.apply(difference(wanted, actual, others, session.ipvs.daemons()))
    for text in complaints.values():
        session.streams.complain(text)
    return FAILURE if complaints else 0


def _commands(session: Session) -> list[Command]:
    found: list[Command] = []
    for words in restore_lines("".join(session.streams.pieces())):
        request = parse(words, session.names)
        if not isinstance(request, Change) or request.drain:
            raise WordsError(f"{' '.join(words)}: no part of an atomic restore", USAGE)
        found.append(request.command)
    return found
