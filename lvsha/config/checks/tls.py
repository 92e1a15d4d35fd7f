"""TLS in the file: the keys of every check that speaks it, and the `tls` check."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from pydantic import PlainValidator, WithJsonSchema

from lvsha.config.checks.check import CheckMistake, CommonCheck
from lvsha.config.checks.texts import matching
from lvsha.config.scalars import Flag, whole
from lvsha.core.probes import TlsOptions, TlsProbe

LABELS = r"(?!\.)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63}){0,20}"
_STRING = WithJsonSchema({"type": "string"})

FilePath: TypeAlias = Annotated[
    str, matching(r"/[^\x00-\x1f\x7f]+", "the absolute path of a file"), _STRING
]
ServerName: TypeAlias = Annotated[str, matching(LABELS, "a server name"), _STRING]
Days: TypeAlias = Annotated[
    int,
    PlainValidator(whole(0, 3650)),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": 3650}),
]


class TlsKeys(CommonCheck):
    """How TLS is spoken. Files are PEM and are read again when they change."""

    ca: FilePath | None = None
    """File of the certificate authorities believed; default the system's."""
    verify: Flag = True
    """Whether the certificate must be valid and name the server; false takes any."""
    sni: ServerName | None = None
    """Name asked for, which the certificate must have; default `host`, else the address."""
    cert: FilePath | None = None
    """File of our own certificate, for servers that want one."""
    key: FilePath | None = None
    """File of its private key, unencrypted; default in the file of `cert`."""
    min_days: Days = 0
    """The certificate must be valid for that many days more."""

    def mistakes(self) -> Iterator[CheckMistake]:
        if self.ca is not None and not self.verify:
            yield CheckMistake("ca", "of no use with verify: false")
        if self.key is not None and self.cert is None:
            yield CheckMistake("key", "of no use without cert")

    def without(self, switch: str) -> Iterator[CheckMistake]:
        """What is said of TLS where `switch` leaves it off."""
        for key in sorted(self.model_fields_set & TlsKeys.__annotations__.keys()):
            yield CheckMistake(key, f"of no use without {switch}: true")

    def tls_options(self) -> TlsOptions:
        return TlsOptions(self.ca, self.verify, self.sni, self.cert, self.key, self.min_days)


class TlsCheck(TlsKeys):
    """The target completes a TLS handshake; nothing is asked of it then."""

    type: Literal["tls"] = "tls"

    def probe(self) -> TlsProbe:
        return TlsProbe(self.tls_options())
