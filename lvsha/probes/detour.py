"""A check at the virtual address by way of one server: what its answers and silences mean there."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from lvsha.core.detour import Detour, Origin
from lvsha.core.plan import Check
from lvsha.core.probes import DnsProbe, UdpProbe
from lvsha.core.types import Address, Family, FwmarkKey, Key, endpoint
from lvsha.errors import DeadlineError, InconclusiveError, ProbeError
from lvsha.probes.connection import CONNECTING
from lvsha.probes.engine import Attempt, Finding, released
from lvsha.probes.origin import ANY_PORT, source_towards


class Claims(Protocol):
    """Who on a link answers for an address: `lvsha.kernel.claims`, or a script in a test."""

    def ask(self, link: str, server: Address, address: Address, source: Address) -> Any: ...

    def has_answered(self, question: Any) -> bool: ...

    def close(self) -> None: ...


def by_detour(
    check: Check, once: Attempt, claims: Claims | None, is_laid: Callable[[Key], bool]
) -> Attempt:
    """An attempt of this check whose messages say by which way it went.

    What passes fails all the same where the server answers on the link for the virtual address.
    """
    origin, detour = _way(check)
    key = FwmarkKey(Family.of(check.address), origin.mark)
    where = f"the virtual address {endpoint(check.address, check.port)} by way of this server"

    def asked() -> Any:
        source = origin.source or source_towards(detour.server)
        return claims and claims.ask(detour.link, detour.server, check.address, source)

    async def attempt() -> str | Finding:
        if not is_laid(key):
            raise InconclusiveError(f"this machine's IPVS has no detour by {detour.server}")
        try:
            question = asked()
            found = await once()
            if question is None and (question := asked()) is not None:
                await released(-1)  # by now the kernel knows where on the link it is
                found = await once()
        except ProbeError as error:
            if _unheard(check, error):
                raise _silence(check, f"no answer at {where}: {error}") from None
            raise ProbeError(f"at {where}: {error}") from None
        if claims is not None and question is not None and claims.has_answered(question):
            raise ProbeError(_theft(check.address))
        return f"{found} at the virtual address" if isinstance(found, str) else found

    return attempt


def _way(check: Check) -> tuple[Origin, Detour]:
    origin = check.origin
    if origin is None or origin.detour is None:
        raise ValueError("a check by a detour")
    return origin, origin.detour


def _theft(address: Address) -> str:
    if address.version == 4:
        what = f"answers ARP for {address}, which only the master may: see arp_ignore"
    else:
        what = f"answers neighbour solicitations for {address}, which only the master may"
    return f"{what}; clients that hear it pass the directors by"


def _unheard(check: Check, error: ProbeError) -> bool:
    """Whether nothing at all came from the server."""
    if isinstance(check.probe, UdpProbe | DnsProbe) and isinstance(error, DeadlineError):
        return True
    return str(error).endswith(f"while {CONNECTING}")


def _silence(check: Check, text: str) -> ProbeError:
    """The server's fault, unless this machine could not have heard it. InconclusiveError then."""
    if reason := _deaf(check):
        raise InconclusiveError(f"this machine has {check.address} and {reason}: {text}")
    return ProbeError(f"{text}; is the address on its loopback?")


def _deaf(check: Check) -> str | None:
    """Why the kernel takes no packets from the virtual address, which is this machine's own.

    fib_frontend.c, fib_validate_source; IPv6 has nothing like it.
    """
    interface = _way(check)[1].interface
    if check.address.version == 6 or not _is_own(check.address):
        return None
    if _setting(interface, "accept_local") == 0:
        return f"net.ipv4.conf.{interface}.accept_local is 0"
    if _setting(interface, "rp_filter") == 1 and not _is_on(interface, check.address):
        return f"rp_filter of {interface} is 1, the address on another interface"
    return None


def _is_own(address: Address) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind((str(address), 0))
        except OSError:
            return False
    return True


def _is_on(interface: str, address: Address) -> bool:
    """A machine talks from an address to itself, if it may use the interface that has it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
            trial.connect((str(address), ANY_PORT))
        except OSError:
            return False
        return bool(trial.getsockname()[0] == str(address))


def _setting(interface: str, name: str) -> int | None:
    """The value in force: the larger of the interface's and that of all. None: nobody knows."""
    try:
        places = [Path("/proc/sys/net/ipv4/conf", each, name) for each in ("all", interface)]
        return max(int(place.read_text()) for place in places)
    except (OSError, ValueError):
        return None
