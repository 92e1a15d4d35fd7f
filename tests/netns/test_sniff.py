"""`lvsha sniff` on a segment with the daemons it is there to watch."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from ipaddress import ip_address

import pytest

from lvsha.core.frames import announcement
from lvsha.core.types import Family
from tests.netns.kinds import Kind
from tests.netns.segment import (
    PATIENCE,
    Host,
    Lvsha,
    Segment,
    eventually,
    inside,
    raw_advert,
    segment,
)
from tests.network import run

pytestmark = pytest.mark.netns

MARK = announcement(bytes(6), ip_address("10.9.0.77"), is_router=False)


@pytest.fixture
def place(tmp_path):
    with segment(tmp_path) as made:
        yield made


class Sniff:
    """The command at work on a host's eth0."""

    def __init__(self, host: Host, *words: str) -> None:
        self.output = (host.directory / f"sniff-{host.number}").open("w")
        where = ["ip", "netns", "exec", host.namespace]
        self.process = subprocess.Popen(
            [*where, sys.executable, "-m", "lvsha", "sniff", "eth0", *words],
            stdout=self.output, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def lines(self) -> list[str]:
        with open(self.output.name) as written:
            return [line for line in written.read().splitlines(keepends=True) if line[-1] == "\n"]

    def marks(self) -> int:
        return sum("10.9.0.77" in line for line in self.lines())

    def told(self) -> list[dict]:
        return [json.loads(line) for line in self.lines()]

    def wait(self) -> tuple[int, str]:
        _, errors = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, errors


@contextmanager
def sniffing(place: Segment, host: Host, *words: str) -> Iterator[Sniff]:
    """It has told the first frame: none is missed from here on."""
    command = Sniff(host, *words)
    try:
        eventually("listening", lambda: told_again(place, command))
        yield command
    finally:
        if command.process.returncode is None:
            command.process.kill()
            command.wait()
        command.output.close()


def told_again(place: Segment, sniff: Sniff) -> bool:
    """Whether there is a new line about a frame that is sent over and over."""
    before = sniff.marks()
    inside(place.bridge, lambda: sent("br0", MARK))
    return sniff.marks() > before


def sent(interface: str, frame: bytes) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as end:
        end.sendto(frame, (interface, 0))


def test_ours_and_keepalived_are_told_apart_with_all_they_say(place):
    ours = Kind(3, Family.IPV4, 0.1).router(place.one, 150)
    with sniffing(place, place.two, "--json") as sniff:
        with closing(Lvsha(place.one, ours)) as lvsha:
            eventually("advertised", lambda: _of(sniff, "vrrp", place.one.mac))
            eventually("announced", lambda: _of(sniff, "arp", place.one.mac))
            lvsha.stop()
            advert = _of(sniff, "vrrp", place.one.mac)[0]
            expected = {
                "version": 3, "virtual_router_id": 51, "priority": 150, "interval": 0.1,
                "addresses": ["10.9.0.100"], "ttl": 255, "checksum": "with_pseudo_header",
                "source": "10.9.0.1", "destination": "224.0.0.18",
            }  # fmt: skip
            assert expected.items() <= advert.items()
            eventually("farewell", lambda: _of(sniff, "vrrp", place.one.mac)[-1]["priority"] == 0)
        with closing(
            Kind(2, Family.IPV4, 1, password="secret12").keepalived(place.two, 100)
        ) as keepalived:
            eventually("advertised", lambda: _of(sniff, "vrrp", place.two.mac))
            keepalived.stop()
        theirs = _of(sniff, "vrrp", place.two.mac)[0]
        assert (theirs["version"], theirs["authentication"]) == (2, "pass")
        assert theirs["addresses"] == ["10.9.0.100", "10.9.0.101"]
        assert not any("secret12" in line for line in sniff.lines())
        arp = _of(sniff, "arp", place.two.mac)[0]
        assert (arp["gratuitous"], arp["sender"]) == (True, "10.9.0.100")


def _of(sniff: Sniff, protocol: str, mac: str) -> list[dict]:
    return [each for each in sniff.told() if (each["protocol"], each["mac"]) == (protocol, mac)]


def test_signed_advertisements_over_ipv6_and_neighbour_advertisements_are_lines(place):
    kind = Kind(3, Family.IPV6, 0.1, key=b"k" * 32)
    with (
        sniffing(place, place.one) as sniff,
        closing(Lvsha(place.one, kind.router(place.one, 150))),
    ):
        for words in (
            f"{place.one.link_local}  VRRP  v3 VRID 51 priority 150, every 0.1 s, "
            "fe80::99 2001:db8::99, signed with key 1 sequence 0x",
            "unsolicited advertisement: 2001:db8::99 is at " + place.one.mac,
        ):
            eventually(words, lambda words=words: any(words in line for line in sniff.lines()))


def test_what_no_router_takes_is_told_too(place):
    with sniffing(place, place.two) as sniff:
        for message, ttl in ((b"\x31\x33", 255), (b"\x21\x33\x64\x01\0\1\0\0" + bytes(12), 7)):
            inside(place.one.namespace, raw_advert("10.9.0.1", message, ttl=ttl))
        for words in ("VRRP  BAD truncated: 2 bytes from 10.9.0.1\n", "checksum WRONG, TTL 7\n"):
            eventually(words, lambda words=words: any(words in line for line in sniff.lines()))


def test_it_ends_by_itself_after_so_many_lines(place):
    with sniffing(place, place.two, "--count", "2") as sniff:
        inside(place.bridge, lambda: sent("br0", MARK))
        assert sniff.wait() == (0, "")
        assert len(sniff.lines()) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order(place, number):
    with sniffing(place, place.one) as sniff:
        sniff.process.send_signal(number)
        assert sniff.wait() == (0, "")


def test_it_outlasts_a_link_that_goes_down_and_not_one_that_is_gone(place):
    with sniffing(place, place.one) as sniff:
        place.one.unplug()
        place.one.plug()
        eventually("heard again", lambda: told_again(place, sniff))
        run(f"ip -n {place.one.namespace} link del eth0")
        assert sniff.wait() == (1, "lvsha: interface eth0 is gone\n")
