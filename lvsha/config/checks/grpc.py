"""The `grpc` check in the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import WithJsonSchema

from lvsha.config.checks.check import CheckMistake
from lvsha.config.checks.texts import matching
from lvsha.config.checks.tls import TlsKeys
from lvsha.config.scalars import Flag
from lvsha.core.probes import GrpcProbe


class GrpcCheck(TlsKeys):
    """The target says SERVING (grpc.health.v1). The TLS keys go with `tls: true`."""

    type: Literal["grpc"] = "grpc"
    service: Annotated[
        str,
        matching(r"[^\x00-\x1f\x7f]{0,200}", "the name of a service"),
        WithJsonSchema({"type": "string"}),
    ] = ""
    """The service asked about; the empty name is the whole server."""
    tls: Flag = False
    """Inside TLS, with HTTP/2 agreed by ALPN; otherwise in plain text."""

    def mistakes(self) -> Iterator[CheckMistake]:
        yield from super().mistakes()
        if not self.tls:
            yield from self.without("tls")

    def probe(self) -> GrpcProbe:
        return GrpcProbe(self.service, self.tls_options() if self.tls else None)
