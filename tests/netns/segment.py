"""A bridge with two hosts on it in namespaces, someone who listens, and the two kinds of peer."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TypeVar

from lvsha.core.messages import (
    Configure,
    Configured,
    RouterStatus,
    Stop,
    VrrpStatus,
    from_line,
    to_line,
)
from lvsha.core.plan import VirtualRouter, VrrpPlan
from tests.network import CLONE_NEWNET, run

T = TypeVar("T")
PATIENCE = 8.0
"""Seconds after which what should happen is taken not to happen."""

_numbers = itertools.count()
_libc = ctypes.CDLL(None, use_errno=True)


def eventually(what: str, holds: Callable[[], T]) -> T:
    """What `holds` returns once it is true."""
    end = time.monotonic() + PATIENCE
    while not (seen := holds()):
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.01)
    return seen


@dataclass(frozen=True)
class Frame:
    """What the listener heard: seconds on the monotonic clock, and the Ethernet frame."""

    at: float
    data: bytes

    @property
    def source(self) -> str:
        return self.data[6:12].hex(":")


@dataclass
class Host:
    """One end of the bridge: `interface` eth0 with 10.9.0.N/24 and a link-local address."""

    namespace: str
    number: int
    directory: Path
    link_local: str = ""

    def sh(self, command: str) -> str:
        return run(f"ip netns exec {self.namespace} {command}")

    @property
    def mac(self) -> str:
        return self.sh("cat /sys/class/net/eth0/address").strip()

    def addresses(self) -> list[str]:
        """Of eth0, with prefix lengths, in the kernel's order."""
        return self.sh("ip -br addr show dev eth0").split()[2:]

    def holds(self, *vips: str) -> bool:
        """All of them, or none asked about."""
        present = self.addresses()
        return all(f"{vip}/{32 if '.' in vip else 128}" in present for vip in vips)

    def unplug(self) -> None:
        self.sh("ip link set eth0 down")

    def plug(self) -> None:
        self.sh("ip link set eth0 up")


class Segment:
    """Hosts `one` and `two`; `heard` is every VRRP, ARP and ICMPv6 frame on the bridge so far."""

    def __init__(self, directory: Path) -> None:
        self.bridge = f"lv{os.getpid()}x{next(_numbers)}"
        self.one = Host(f"{self.bridge}a", 1, directory)
        self.two = Host(f"{self.bridge}b", 2, directory)
        self.heard: list[Frame] = []
        self._over = False

    def build(self) -> None:
        bridge = self.bridge
        run(f"ip netns add {bridge}")
        run(f"ip -n {bridge} link add br0 type bridge mcast_snooping 0 forward_delay 0")
        run(f"ip -n {bridge} link set br0 up")
        for host in (self.one, self.two):
            run(f"ip netns add {host.namespace}")
            port = f"p{host.number}"
            run(f"ip -n {host.namespace} link set lo up")
            host.sh("sysctl -qw net.ipv6.conf.default.accept_dad=0")
            run(f"ip -n {host.namespace} link add eth0 type veth peer name {port} netns {bridge}")
            run(f"ip -n {bridge} link set {port} master br0 up")
            host.sh(f"ip addr add 10.9.0.{host.number}/24 dev eth0")
            host.plug()
            (first,) = (word for word in host.addresses() if word.startswith("fe80"))
            host.link_local = first.partition("/")[0]
        self._listener = inside(bridge, _packet_socket)
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def tear_down(self) -> None:
        self._over = True
        if thread := getattr(self, "_thread", None):
            thread.join()
            self._listener.close()
        for namespace in (self.one.namespace, self.two.namespace, self.bridge):
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)

    def adverts(self, source: str) -> list[Frame]:
        """VRRP frames from a MAC address."""
        return [frame for frame in tuple(self.heard) if _is_vrrp(frame) and frame.source == source]

    def announcements(self, source: str) -> list[str]:
        """Addresses announced by gratuitous ARP or unsolicited advertisement from a MAC."""
        return [
            address
            for frame in tuple(self.heard)
            if frame.source == source and (address := _announced(frame))
        ]

    def _listen(self) -> None:
        while not self._over:
            with contextlib.suppress(TimeoutError):
                data = self._listener.recv(2048)
                self.heard.append(Frame(time.monotonic(), data))


def _packet_socket() -> socket.socket:
    listener = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    listener.bind(("br0", 3))
    listener.settimeout(0.05)
    return listener


def inside(namespace: str, make: Callable[[], T]) -> T:
    """What `make` returns when called in a thread inside the namespace."""
    made: list[T] = []

    def enter() -> None:
        with open(f"/run/netns/{namespace}") as door:
            assert _libc.setns(door.fileno(), CLONE_NEWNET) == 0
        made.append(make())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    return made[0]


def _is_vrrp(frame: Frame) -> bool:
    data = frame.data
    return (data[12:14], data[23]) == (b"\x08\x00", 112) or (
        data[12:14] == b"\x86\xdd" and data[20] == 112
    )


def _announced(frame: Frame) -> str | None:
    data = frame.data
    if data[12:14] == b"\x08\x06" and data[28:32] == data[38:42]:
        return str(ip_address(data[28:32]))
    if data[12:14] == b"\x86\xdd" and data[20] == 58 and data[54] == 136:
        return str(ip_address(data[62:78]))
    return None


class Lvsha:
    """`lvsha.vrrp.process` in a namespace, driven as the supervisor does."""

    def __init__(self, host: Host, *routers: VirtualRouter) -> None:
        self.host = host
        self.lines: list[str] = []
        self.last: VrrpStatus | None = None
        self._generation = 0
        self._configured = 0
        self._ours, theirs = socket.socketpair()
        call = f"main({theirs.fileno()}, 'test', 'node{host.number}')"
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", host.namespace, sys.executable, "-c",
             f"from lvsha.vrrp.process import main; {call}"],
            pass_fds=[theirs.fileno()], stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        theirs.close()
        self._threads = [
            threading.Thread(target=target, daemon=True) for target in (self._read, self._log)
        ]
        for thread in self._threads:
            thread.start()
        self.configure(*routers)

    def configure(self, *routers: VirtualRouter) -> None:
        self._generation += 1
        plan = VrrpPlan("test", f"node{self.host.number}", routers)
        self._ours.sendall(to_line(Configure(self._generation, plan)))
        eventually("configured", lambda: self._configured == self._generation)

    def status(self) -> RouterStatus | None:
        return self.last.routers[0] if self.last and self.last.routers else None

    def is_(self, state: str) -> bool:
        status = self.status()
        return status is not None and status.state == state

    def stop(self) -> None:
        """In order, as the supervisor asks for it."""
        self._ours.sendall(to_line(Stop()))
        assert self.process.wait(PATIENCE) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        self._ours.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._ours.close()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def _read(self) -> None:
        with self._ours.makefile("rb") as lines:
            for line in lines:
                message = from_line(line)
                if isinstance(message, Configured):
                    self._configured = message.generation
                elif isinstance(message, VrrpStatus):
                    self.last = message

    def _log(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(self.process.stderr)


class Keepalived:
    """A real keepalived in a namespace, with a /run of its own."""

    def __init__(self, host: Host, body: str, *, version: int = 3) -> None:
        self.host = host
        name = host.directory / f"{host.namespace}-{next(_numbers)}"
        self._child_file = name.with_suffix(".vrrp-pid")
        configuration = name.with_suffix(".conf")
        configuration.write_text(f"global_defs {{ vrrp_version {version} }}\n{body}\n")
        script = (
            "mount -t tmpfs none /run && exec keepalived -P -n -l "
            f"-f {configuration} -p {name.with_suffix('.pid')} -r {self._child_file}"
        )
        self._log = name.with_suffix(".log").open("w")
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", host.namespace, "unshare", "-m", "sh", "-c", script],
            stdout=self._log, stderr=self._log,
        )  # fmt: skip
        eventually("keepalived's VRRP child", self._child_file.exists)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)

    def kill(self) -> None:
        """The child would stop in order when its parent dies, so it is halted first."""
        child = int(self._child_file.read_text())
        os.kill(child, signal.SIGSTOP)
        self.process.kill()
        os.kill(child, signal.SIGKILL)
        self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.stop()
        self._log.close()


@contextlib.contextmanager
def segment(directory: Path) -> Iterator[Segment]:
    place = Segment(directory)
    try:
        place.build()
        yield place
    finally:
        place.tear_down()


def raw_advert(source: str, message: bytes, *, ttl: int = 255, to: str = "") -> Callable[[], None]:
    """For `inside`: send a VRRP message from an address of that namespace's eth0, to the group
    unless `to` somebody.
    """

    def send() -> None:
        if "." in source:
            _send4(source, message, ttl, to or "224.0.0.18")
        else:
            _send6(source, message, ttl, to or "ff02::12")

    return send


def _send4(source: str, message: bytes, ttl: int, to: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, 112) as end:
        request = struct.pack("=4s4si", bytes(4), bytes(4), socket.if_nametoindex("eth0"))
        end.setsockopt(0, socket.IP_MULTICAST_IF, request)
        end.setsockopt(0, socket.IP_MULTICAST_TTL, ttl)
        end.setsockopt(0, socket.IP_TTL, ttl)
        end.bind((source, 0))
        end.sendto(message, (to, 0))


def _send6(source: str, message: bytes, ttl: int, to: str) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, 112) as end:
        index = socket.if_nametoindex("eth0")
        end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, ttl)
        end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
        end.bind((source, 0, 0, index))
        end.sendto(message, (to, 0, 0, index))
