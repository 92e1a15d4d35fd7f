"""The `tls` check: the target completes a handshake, whole at every probe."""

from __future__ import annotations

from lvsha.core.plan import Check
from lvsha.core.probes import TlsProbe
from lvsha.probes.connection import connect, target
from lvsha.probes.engine import Attempt
from lvsha.probes.secure import Tls


def tls(check: Check) -> Attempt:
    """An attempt shakes hands and says goodbye."""
    spec = check.probe
    assert isinstance(spec, TlsProbe)
    where = target(check)
    speaker = Tls(spec.tls, str(check.address))

    async def attempt() -> str:
        connection = await connect(where)
        try:
            secured = await speaker.over(connection)
            version = secured.tls.version()
            if version == "TLSv1.3":
                await secured.goodbye()
        finally:
            connection.close()
        return f"{version} handshake"

    return attempt
