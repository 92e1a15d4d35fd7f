"""Every error lvsha raises on purpose, told apart by whose fault it is.

Raised at the edge that knows the fault, caught in one place per process.
Messages: lower case, subject first, the offending value, no trailing period.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


class LvshaError(Exception):
    """Base of all; `exit_code` is what a command ends with when it meets one."""

    exit_code = 1

    @property
    def report(self) -> str:
        """What a person reads on stderr."""
        return f"lvsha: {self}"


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong in a cluster file. Lines and columns count from 1."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}: "
        what = f"{self.path}: {self.message}" if self.path else self.message
        hint = f"\n  hint: {self.hint}" if self.hint else ""
        return f"{where}{what}{hint}"


class ConfigError(LvshaError):
    """The operator's file is wrong: all its mistakes at once, in file order."""

    exit_code = 2

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = mistakes

    @property
    def report(self) -> str:
        """Each mistake begins with its place: nothing stands before it."""
        return str(self)


class UsageError(LvshaError):
    """The words of a command are wrong, or name something that is not there."""

    exit_code = 2


class HostError(LvshaError):
    """This machine lacks what the command needs: root, a module, an interface, a free directory."""


class PacketError(LvshaError):
    """A peer sent something a receive check rejects; `cause` names the counter."""

    def __init__(self, cause: str, detail: str = "") -> None:
        super().__init__(f"{cause}: {detail}" if detail else cause)
        self.cause = cause


class KernelError(LvshaError):
    """The kernel refused; `text` is its own extended-ack sentence where it gave one."""

    def __init__(self, errno: int, what: str, text: str = "") -> None:
        reason = text or os.strerror(errno)
        super().__init__(f"{what}: {reason}" if what else reason)
        self.errno = errno
        self.what = what
        self.text = text


class ProbeError(LvshaError):
    """A health check's target did not answer as it should."""


class RefusalError(ProbeError):
    """A health check's target said no itself: no lateness of this machine can be the reason."""


class DeadlineError(ProbeError):
    """A health check's time is over before its target has answered."""


class InconclusiveError(LvshaError):
    """A health check could say nothing about its target: the fault is on this machine."""
