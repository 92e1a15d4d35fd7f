"""A check at the virtual address by way of one server: what its answers and silences mean there."""

from __future__ import annotations

import socket
from pathlib import Path

from lvsha.core.plan import Check
from lvsha.core.probes import DnsProbe, UdpProbe
from lvsha.core.types import Address, endpoint
from lvsha.errors import DeadlineError, InconclusiveError, ProbeError
from lvsha.probes.connection import CONNECTING
from lvsha.probes.engine import Attempt, Finding


def by_detour(check: Check, once: Attempt) -> Attempt:
    """An attempt of this check whose messages say by which way it went."""
    assert check.origin is not None
    assert check.origin.detour is not None
    where = f"the virtual address {endpoint(check.address, check.port)} by way of this server"

    async def attempt() -> str | Finding:
        try:
            found = await once()
        except DeadlineError as error:
            raise _silence(check, f"no answer at {where}: {error}") from None
        except ProbeError as error:
            raise ProbeError(f"at {where}: {error}") from None
        return f"{found} at the virtual address" if isinstance(found, str) else found

    return attempt


def _silence(check: Check, text: str) -> ProbeError:
    """The server's fault, unless this machine could not have heard it. InconclusiveError then."""
    datagrams = isinstance(check.probe, UdpProbe | DnsProbe)
    if not datagrams and not text.endswith(CONNECTING):
        return ProbeError(text)
    interface = _deaf(check)
    if interface:
        setting = f"net.ipv4.conf.{interface}.accept_local"
        raise InconclusiveError(f"this machine has {check.address} and {setting} is 0: {text}")
    return ProbeError(f"{text}; is the address on its loopback?")


def _deaf(check: Check) -> str:
    """The interface by which this machine takes no packets from an address that is its own."""
    assert check.origin is not None
    assert check.origin.detour is not None
    interface = check.origin.detour.interface
    if check.address.version == 6 or not _is_own(check.address):
        return ""
    accepting = any(_accepts_local(each) for each in ("all", interface))
    return "" if accepting else interface


def _is_own(address: Address) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind((str(address), 0))
        except OSError:
            return False
    return True


def _accepts_local(interface: str) -> bool:
    try:
        return Path("/proc/sys/net/ipv4/conf", interface, "accept_local").read_text() != "0\n"
    except OSError:
        return True  # nobody knows: what was found is taken as it is
