"""What of the packets with our VRID takes part in the election, and what they tell of the peers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lvsha.core import advert
from lvsha.core.advert import GROUP, Advertisement
from lvsha.core.authentication import HmacKeys
from lvsha.core.messages import PeerStatus
from lvsha.core.plan import VirtualRouter
from lvsha.core.types import Address, Family
from lvsha.errors import PacketError
from lvsha.kernel.ports import Packet

if TYPE_CHECKING:
    from lvsha.vrrp.authenticator import Authenticator

PEERS = 16
"""Peers remembered; whoever is first heard beyond that is not."""


_USUAL = frozenset({"received", "checksum_with_pseudo_header", "checksum_without"})
"""Counters of packets that nobody is warned of."""


@dataclass(frozen=True, slots=True)
class _Usual:
    """A packet that passed, what it says, and what to count when it comes again."""

    packet: Packet
    ad: Advertisement
    counts: list[str]


class Gate:
    """The receive checks of one virtual router, and the wording of what it says itself.

    A steady master sends the same over and over: what was judged or worded once is remembered.

    `warn(event, subject, **fields)` is called at every packet, whoever it tells limits it.
    `unusual` is how many packets there was something to be said of.
    """

    def __init__(self, vr: VirtualRouter, warn: Callable[..., None]) -> None:
        self.counters: Counter[str] = Counter()
        self.unusual = 0
        self._warn = warn
        self._peers: dict[Address, PeerStatus] = {}
        self._authenticator: Authenticator | None = None
        self._usual: _Usual | None = None
        self._messages: dict[int, tuple[tuple[Address, bytes], ...]] = {}
        self.reconfigure(vr)

    def reconfigure(self, vr: VirtualRouter) -> None:
        """Other parameters; what authentication has heard so far stays known."""
        self._vr = vr
        self._usual = None
        self._messages.clear()
        if not isinstance(vr.authentication, HmacKeys):
            self._authenticator = None
        elif self._authenticator is None:
            self._authenticator = _authenticator(vr.authentication, vr.advertisement_interval)
        else:
            self._authenticator.reconfigure(vr.authentication, vr.advertisement_interval)

    @property
    def peers(self) -> tuple[PeerStatus, ...]:
        """What each peer last advertised."""
        return tuple(self._peers.values())

    def messages(self, priority: int, source: Address) -> tuple[tuple[Address, bytes], ...]:
        """An advertisement of ours, with the destination of each copy."""
        if (messages := self._messages.get(priority)) is None:
            messages = self._worded(priority, source)
            if self._authenticator is None:  # else no two are the same
                self._messages[priority] = messages
        return messages

    def _worded(self, priority: int, source: Address) -> tuple[tuple[Address, bytes], ...]:
        vr, ad, trailer = self._vr, advert.of(self._vr, priority), b""
        if self._authenticator is not None:
            # The checksum is not signed: one trailer serves all destinations.
            trailer = self._authenticator.sign(advert.encode(ad, source, source), source)
        return tuple(
            (destination, advert.encode(ad, source, destination, trailer))
            for destination in vr.peers or (GROUP[vr.family],)
        )

    def judge(self, packet: Packet) -> Advertisement | None:
        """The advertisement of a packet, or None for one that must not have any effect."""
        usual = self._usual
        if usual is not None and packet == usual.packet:
            self._count(usual.counts)
            return usual.ad
        try:
            ad = self._admitted(packet)
        except PacketError as error:
            self.counters[error.cause] += 1
            self.unusual += 1
            self._warn("vrrp.dropped", error.cause, cause=error.cause, detail=str(error))
            return None
        counts = self._note(ad, packet.source)
        self._count(counts)
        is_usual = _USUAL.issuperset(counts)
        self.unusual += not is_usual
        steady = is_usual and self._authenticator is None
        self._usual = _Usual(packet, ad, counts) if steady else None
        return ad

    def _count(self, counts: Iterable[str]) -> None:
        for name in counts:
            self.counters[name] += 1

    def _admitted(self, packet: Packet) -> Advertisement:
        vr, source = self._vr, packet.source
        if vr.peers and source not in vr.peers:
            raise PacketError("peer", f"{source} is none of ours")
        if packet.destination != (vr.source if vr.peers else GROUP[vr.family]):
            raise PacketError("destination", f"{packet.destination} from {source}")
        ad = advert.decode(
            packet.data,
            source,
            packet.destination,
            packet.ttl,
            lowest_ttl=vr.accept_ttl if vr.peers else 255,
            trailer=self._authenticator.length if self._authenticator else 0,
        )
        advert.admit(ad, vr, source)
        if self._authenticator:
            self._authenticator.verify(packet.data, source)
        return ad

    def _note(self, ad: Advertisement, source: Address) -> list[str]:
        """What is to be counted of a packet that takes part."""
        vr, counts = self._vr, ["received"]
        if not advert.same_addresses(ad, vr):
            counts.append("address_list")
            theirs = ", ".join(map(str, ad.addresses))
            self._warn("vrrp.mismatch", source, source=str(source), addresses=theirs)
        if ad.interval != vr.advertisement_interval:
            counts.append("interval_learned")
            subject = (source, ad.interval)
            self._warn("vrrp.mismatch", subject, source=str(source), interval=ad.interval)
        form = _checksum_form(ad, vr.family)
        if form:
            counts.append(f"checksum_{form}")
        if source in self._peers or len(self._peers) < PEERS:
            self._peers[source] = PeerStatus(str(source), ad.priority, ad.interval, form)
        return counts


def _checksum_form(ad: Advertisement, family: Family) -> str:
    """Only version 3 over IPv4 has a choice."""
    if ad.version == 2 or family is Family.IPV6:
        return ""
    return "with_pseudo_header" if ad.pseudo_header else "without"


def _authenticator(keys: HmacKeys, interval: float) -> Authenticator:
    """Imported here: a router without keys does without it."""
    from lvsha.vrrp.authenticator import Authenticator

    return Authenticator(keys, interval)
