"""The `tcp` check in the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from lvsha.config.checks.check import CheckMistake, CommonCheck
from lvsha.config.checks.contents import Payload, Regex
from lvsha.core.probes import TcpProbe


class TcpCheck(CommonCheck):
    """The target accepts a TCP connection and, where asked, answers as expected."""

    type: Literal["tcp"] = "tcp"
    send: Payload | None = None
    """Sent once connected: text in UTF-8, or bytes."""
    expect: Payload | None = None
    """Must stand in the first 16 KiB received."""
    expect_regex: Regex | None = None
    """Pattern of RE2 that must match somewhere in the first 16 KiB received."""

    def mistakes(self) -> Iterator[CheckMistake]:
        if self.expect is not None and self.expect_regex is not None:
            yield CheckMistake("expect_regex", "not beside expect: only one can be looked for")

    def probe(self) -> TcpProbe:
        return TcpProbe(self.send or b"", self.expect, self.expect_regex)
