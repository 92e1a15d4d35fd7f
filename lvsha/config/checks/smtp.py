"""The `smtp` check in the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from lvsha.config.checks.check import CheckMistake
from lvsha.config.checks.texts import Host
from lvsha.config.checks.tls import TlsKeys
from lvsha.config.scalars import Flag
from lvsha.core.probes import SmtpProbe


class SmtpCheck(TlsKeys):
    """The target greets with 220 and takes EHLO (or HELO) with 250."""

    type: Literal["smtp"] = "smtp"
    helo: Host | None = None
    """The name given; default this machine's host name."""
    starttls: Flag = False
    """Whether the target must also offer STARTTLS and speak TLS then."""

    def mistakes(self) -> Iterator[CheckMistake]:
        yield from super().mistakes()
        if not self.starttls:
            yield from self.without("starttls")

    def probe(self) -> SmtpProbe:
        return SmtpProbe(self.helo, self.tls_options() if self.starttls else None)
