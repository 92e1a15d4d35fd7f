"""The protocol's variants on a segment, how each peer is told, and who holds the addresses."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface
from itertools import pairwise
from pathlib import Path

from lvsha.core.authentication import Authentication, HmacKey, HmacKeys, Password
from lvsha.core.plan import VirtualRouter
from lvsha.core.types import Family
from tests.netns.segment import Host, Keepalived, Segment, eventually, inside
from tests.network import run

SLACK = 0.5
"""Seconds a busy machine may take to act on what it has heard."""


@dataclass(frozen=True)
class Kind:
    """One protocol variant: version, family, pace, by group or to the peer, with or without."""

    version: int
    family: Family
    interval: float
    unicast: bool = False
    password: str = ""
    key: bytes = b""

    def __str__(self) -> str:
        words = [f"v{self.version}", f"IPv{4 if self.family is Family.IPV4 else 6}"]
        words += ["unicast"] if self.unicast else []
        words += ["PASS"] if self.password else []
        return " ".join(words + (["signed"] if self.key else []))

    @property
    def vips(self) -> tuple[str, ...]:
        if self.family is Family.IPV6:
            return "fe80::99", "2001:db8::99"
        return ("10.9.0.100",) if self.version == 3 else ("10.9.0.100", "10.9.0.101")

    def source(self, host: Host) -> str:
        """Where its advertisements come from."""
        if self.family is Family.IPV4:
            return f"10.9.0.{host.number}"
        return f"2001:db8:9::{host.number}" if self.unicast else host.link_local

    def _peer(self, host: Host) -> str:
        return self.source(host).removesuffix(str(host.number)) + str(3 - host.number)

    def router(self, host: Host, priority: int) -> VirtualRouter:
        """For lvsha on `host`."""
        self._settle(host)
        source = ip_address(self.source(host)) if self.unicast else None
        return VirtualRouter(
            "web", 51, "eth0", self.family, priority,
            tuple(ip_interface(vip) for vip in self.vips),
            version=self.version,
            advertisement_interval=self.interval,
            source=source,
            peers=(ip_address(self._peer(host)),) if self.unicast else (),
            # keepalived 2.2.7 leaves IPv6 unicast the system's hop limit.
            accept_ttl=64 if self.unicast and self.family is Family.IPV6 else 255,
            authentication=self._authentication(),
        )  # fmt: skip

    def _authentication(self) -> Authentication | None:
        if self.key:
            return HmacKeys((HmacKey(1, "", self.key),), 1)
        return Password(self.password) if self.password else None

    def keepalived(self, host: Host, priority: int, option: str = "") -> Keepalived:
        """Running on `host`."""
        self._settle(host)
        lines = [option]
        if self.unicast:
            lines.append(f"unicast_src_ip {self.source(host)}")
            lines.append(f"unicast_peer {{\n{self._peer(host)}\n}}")
        if self.password:
            lines.append(f"authentication {{\nauth_type PASS\nauth_pass {self.password}\n}}")
        if self.key:
            lines.append(f"auth_hmac {{\nkey 1 hex:{self.key.hex()}\nactive_key 1\n}}")
        body = "\n".join(
            [
                "vrrp_instance web {",
                "interface eth0",
                "virtual_router_id 51",
                f"priority {priority}",
                f"advert_int {self.interval:g}",
                *lines,
                "virtual_ipaddress {",
                *self.vips,
                "}",
                "}",
            ]
        )
        return Keepalived(host, body, version=self.version)

    def _settle(self, host: Host) -> None:
        """An address beyond the link, where advertisements are to come from one."""
        if self.unicast and self.family is Family.IPV6:
            host.sh(f"ip addr replace {self.source(host)}/64 dev eth0 nodad")


def moved(place: Segment, kind: Kind, to: Host, away: Host) -> None:
    """The addresses are on one host, not on the other, and the segment was told."""
    taken_over(place, kind, to)
    eventually(f"off {away.namespace}", lambda: not any(map(away.holds, kind.vips)))


def taken_over(place: Segment, kind: Kind, to: Host) -> None:
    eventually(f"{kind.vips} on {to.namespace}", lambda: to.holds(*kind.vips))
    mac = to.mac
    eventually("announced", lambda: set(kind.vips) <= set(place.announcements(mac)))


def heal_after_two_masters(place: Segment, kind: Kind) -> None:
    cut(place, apart=True)
    eventually("two masters", lambda: all(h.holds(*kind.vips) for h in (place.one, place.two)))
    place.heard.clear()
    cut(place, apart=False)


def cut(place: Segment, *, apart: bool) -> None:
    """Isolated ports of a bridge do not talk to each other: no carrier is lost."""
    for port in ("p1", "p2"):
        word = "on" if apart else "off"
        run(f"bridge -n {place.bridge} link set dev {port} isolated {word}")


@contextlib.contextmanager
def never_two_holders(
    place: Segment, kind: Kind
) -> Iterator[Callable[[], contextlib.AbstractContextManager[None]]]:
    """Within, no address is on both hosts for longer than the protocol needs to notice.

    What it gives is for the time in which both are meant to be master.
    """
    watch = _Watch(place, kind)

    @contextlib.contextmanager
    def two_for_now() -> Iterator[None]:
        watch.patience.clear()
        yield
        watch.patience.set()

    try:
        yield two_for_now
    finally:
        watch.stop()
    # The higher one is heard at the latest an interval after it has begun.
    assert watch.longest <= kind.interval + SLACK
    assert watch.saw_each, "what it never saw it can not judge"


class _Watch:
    """Looks at both hosts a hundred times a second. `patience` is clear while two may hold."""

    def __init__(self, place: Segment, kind: Kind) -> None:
        self.longest = 0.0
        self.saw_each = False
        self.patience = threading.Event()
        self.patience.set()
        self._over = threading.Event()
        self._looks = [inside(host.namespace, lambda: _open_table(kind)) for host in _both(place)]
        self._vips = kind.vips
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
        for table in self._looks:
            table.close()

    def _run(self) -> None:
        since = None
        while not self._over.wait(0.01):
            one, two = (self._held(table) for table in self._looks)
            self.saw_each = self.saw_each or bool(one & two)
            if not one & two or not self.patience.is_set():
                since = None
                continue
            since = since or time.monotonic()
            self.longest = max(self.longest, time.monotonic() - since)

    def _held(self, table) -> set[str]:
        table.seek(0)
        lines = [" ".join(line.split()) for line in table]
        return {vip for vip in self._vips if _is_listed(vip, lines)}


def _both(place: Segment) -> tuple[Host, Host]:
    return place.one, place.two


def _open_table(kind: Kind):
    """The kernel's own list of local addresses, of the namespace it was opened in."""
    name = "fib_trie" if kind.family is Family.IPV4 else "if_inet6"
    return Path(f"/proc/thread-self/net/{name}").open()


def _is_listed(vip: str, lines: list[str]) -> bool:
    if ":" in vip:
        return any(line.startswith(ip_address(vip).packed.hex()) for line in lines)
    return (f"|-- {vip}", "/32 host LOCAL") in pairwise(lines)
