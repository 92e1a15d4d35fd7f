"""`-R`: ipvsadm's lines from standard input, many to one send.

As in ipvsadm a line that is refused does not stop those behind it, one whose words are wrong
ends the run there, and the last line's outcome is the exit code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lvsha.cli.ipvsadm.ending import EndError
from lvsha.core.commands import Command
from lvsha.core.ipvsadm.grammar import TRY_HELP, parse
from lvsha.core.ipvsadm.request import FAILURE, Change, Request, Restore, WordsError
from lvsha.core.ipvsadm.stream import restore_lines

if TYPE_CHECKING:
    from lvsha.cli.ipvsadm.session import Session


def restore(session: Session) -> int:
    """Carry out every line. Raises EndError where ipvsadm ends before the last."""
    run = _Run(session)
    for piece in session.streams.pieces():
        for words in restore_lines(piece):
            run.take(words)
        run.flush()
    return run.result


class _Run:
    """What is read but not yet sent, and the outcome of the last line."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._commands: list[Command] = []
        self.result = 0

    def take(self, words: list[str]) -> None:
        try:
            request = parse(words, self._session.names)
        except WordsError as error:
            self._complain(error)
            return
        if isinstance(request, Change) and not request.drain:
            self._commands.append(request.command)
        else:
            self._perform(request)

    def flush(self) -> None:
        """Send what is waiting and say what was refused."""
        if not self._commands:
            return
        complaints = self._session.apply(self._commands)
        for text in complaints.values():
            self._session.streams.complain(text)
        self.result = FAILURE if len(self._commands) - 1 in complaints else 0
        self._commands = []

    def _complain(self, error: WordsError) -> None:
        self.flush()
        self._session.streams.complain(error.text)
        self.result = error.exit_code
        if error.final:
            raise EndError(error.exit_code)

    def _perform(self, request: Request) -> None:
        if isinstance(request, Restore):  # it would read itself for ever
            self._complain(WordsError(TRY_HELP, FAILURE))
        self.flush()
        self.result = self._session.perform(request)
