"""The `script` and `file` checks in the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import PlainValidator, WithJsonSchema

from lvsha.config.checks.check import CheckMistake, CommonCheck
from lvsha.config.checks.texts import matching
from lvsha.config.checks.tls import FilePath
from lvsha.config.scalars import Flag
from lvsha.config.wording import WrongValueError, show
from lvsha.core.probes import FileProbe, ScriptProbe

UserName: TypeAlias = Annotated[
    str,
    matching(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}", "a user name"),
    WithJsonSchema({"type": "string"}),
]


_WORDS = {"type": "array", "items": {"type": "string"}}


def _program(value: object) -> tuple[str, ...]:
    """A program's path and its arguments."""
    if not isinstance(value, list) or not value:
        hint = "write [/path/to/program, argument, …]"
        raise WrongValueError(f"{show(value)} is not a list of a program and its arguments", hint)
    for word in value:
        if not isinstance(word, str) or "\0" in word:
            quotes = "put it in quotes" if isinstance(word, bool | int | float) else None
            raise WrongValueError(f"{show(word)} is not a program's argument", quotes)
    if not value[0].startswith("/"):
        hint = "there is no shell and no search path here"
        raise WrongValueError(f"{show(value[0])} is not a program's whole path", hint)
    return tuple(value)


Program: TypeAlias = Annotated[tuple[str, ...], PlainValidator(_program), WithJsonSchema(_WORDS)]
"""A program's path and its arguments."""


class ScriptCheck(CommonCheck):
    """A program on this machine exits with 0, judged as keepalived's MISC_CHECK does.

    It finds the target in LVSHA_ADDRESS and LVSHA_PORT, and is killed at the deadline.
    """

    needs_port: ClassVar[bool] = False
    uses_network: ClassVar[bool] = False
    can_detour: ClassVar[bool] = False

    type: Literal["script"] = "script"
    exec: Program | None = None
    """The program's path and its arguments. Needed; there is no shell."""
    user: UserName = "nobody"
    """Whom it runs as."""
    dynamic_weight: Flag = False
    """Whether exit codes 2 to 255 are passes that set the weight to 0 to 253."""

    def mistakes(self) -> Iterator[CheckMistake]:
        if self.exec is None:
            yield CheckMistake(None, "missing key 'exec'")

    def probe(self) -> ScriptProbe:
        assert self.exec is not None
        return ScriptProbe(self.exec, self.user, self.dynamic_weight)


class FileCheck(CommonCheck):
    """A file on this machine is missing, empty or begins with 0; or has the words of an agent."""

    uses_port: ClassVar[bool] = False
    uses_network: ClassVar[bool] = False
    can_detour: ClassVar[bool] = False

    type: Literal["file"] = "file"
    path: FilePath | None = None
    """The file's path. Needed. It is read at every interval, and at once when it changes."""

    def mistakes(self) -> Iterator[CheckMistake]:
        if self.path is None:
            yield CheckMistake(None, "missing key 'path'")

    def probe(self) -> FileProbe:
        assert self.path is not None
        return FileProbe(self.path)
