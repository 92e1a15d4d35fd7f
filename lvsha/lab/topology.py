"""A cluster of network namespaces on one machine: client, directors, real servers on bridges.

Bridges live in namespaces of their own and every name carries the lab's prefix, so several labs
stand side by side and closing one leaves nothing behind. `ip` runs in batches: starting a process
is what costs time in a guest.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from pathlib import Path
from types import TracebackType
from typing import Any

from lvsha.errors import HostError

NAMESPACES = Path("/run/netns")
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_labs = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Network:
    """A bridge and its two prefixes, written so that a host's number can follow."""

    name: str
    ipv4: str
    ipv6: str

    def addresses(self, number: int) -> tuple[IPv4Interface, IPv6Interface]:
        """Both addresses of a host: 21 is 192.168.1.21/24 and 2001:db8:1::21/64."""
        return (
            IPv4Interface(f"{self.ipv4}{number}/24"),
            IPv6Interface(f"{self.ipv6}{number}/64"),
        )


FRONT = Network("front", "192.168.1.", "2001:db8:1::")
INNER = Network("inner", "10.0.0.", "2001:db8:2::")
VIRTUAL, GATEWAY, CLIENT, DIRECTOR, REAL_SERVER = 100, 1, 2, 11, 21
"""Host numbers: the VIP, the inner gateway, and the first of each kind."""


@dataclass(slots=True)
class Namespace:
    """One machine of the lab."""

    name: str
    path: Path
    interfaces: list[str] = field(default_factory=list)
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread in the namespace: sockets opened and settings touched here are its own."""
        with (
            Path("/proc/thread-self/ns/net").open("rb") as home,
            self.path.open("rb") as there,
        ):
            _setns(there.fileno())
            try:
                yield
            finally:
                _setns(home.fileno())

    def thread(self, name: str, work: Callable[[], Any]) -> threading.Thread:
        """A started daemon thread that lives in the namespace."""

        def inside() -> None:
            with self.entered():
                work()

        thread = threading.Thread(target=inside, name=f"{self.name}-{name}", daemon=True)
        thread.start()
        return thread

    def command(self, argv: Sequence[str]) -> list[str]:
        return ["ip", "netns", "exec", self.path.name, *argv]

    def run(self, *argv: str, timeout: float = 60) -> str:
        """What a program says on stdout. Raises HostError when it fails."""
        return _output(self.command(argv), "", timeout)

    def start(self, *argv: str, **options: Any) -> subprocess.Popen[bytes]:
        """A program left running; the lab's close ends it."""
        process = subprocess.Popen(self.command(argv), **options)
        self._started.append(process)
        return process

    def ip(self, *lines: str) -> None:
        """`ip` command lines in one batch."""
        with self.entered():
            _ip(lines)

    def sysctl(self, name: str, value: int) -> None:
        with self.entered():
            Path("/proc/sys", *name.split(".")).write_text(str(value))

    def link(self, *, up: bool, interface: str = "eth0") -> None:
        self.ip(f"link set {interface} {'up' if up else 'down'}")

    def processes(self) -> list[int]:
        """Every process in the namespace, whoever started it."""
        world = self.path.stat().st_ino
        return [pid for pid in _pids() if _namespace_of(pid) == world]

    def kill(self) -> None:
        """End every process in the namespace, as a power cut does; none is left on return.

        Stopped first: none shall see another one die, and say goodbye to the network.
        """
        while pids := self.processes():  # a parent may have started another one meanwhile
            for number in (signal.SIGSTOP, signal.SIGKILL):
                for pid in pids:
                    _send(pid, number)
        for process in self._started:  # one that was still on its way in
            process.kill()
            process.wait()
        self._started.clear()


class Lab:
    """Namespaces and bridges, made here and gone with `close`. Needs root."""

    def __init__(self) -> None:
        if os.geteuid() != 0:
            raise HostError("lab: network namespaces need root")
        self.prefix = f"lvsha{os.getpid()}-{next(_labs)}"
        self.namespaces: dict[str, Namespace] = {}

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def add(self, *names: str) -> tuple[Namespace, ...]:
        """Namespaces with `lo` up (IPVS refuses every destination without) and no IPv6 waiting."""
        made = [Namespace(name, NAMESPACES / f"{self.prefix}-{name}") for name in names]
        _ip(f"netns add {namespace.path.name}" for namespace in made)
        for namespace in made:
            self.namespaces[namespace.name] = namespace
            namespace.sysctl("net.ipv6.conf.default.accept_dad", 0)
            namespace.sysctl("net.ipv6.conf.default.accept_ra", 0)
            namespace.ip("link set lo up")
        return tuple(made)

    def bridge(self, network: Network) -> None:
        """A network to plug machines into: a quiet bridge that forwards at once."""
        (home,) = self.add(network.name)
        home.ip(
            "link add br0 type bridge mcast_snooping 0 forward_delay 0",
            "link set br0 up",
        )

    def plug(self, network: Network, machines: Iterable[tuple[Namespace, int]]) -> None:
        """Give each machine an interface (eth0, then eth1) and the host number's addresses."""
        home = self.namespaces[network.name]
        ends = [(machine, f"eth{len(machine.interfaces)}", number) for machine, number in machines]
        _ip(
            f"link add {end} netns {machine.path.name} type veth "
            f"peer name {machine.name} netns {home.path.name}"
            for machine, end, _ in ends
        )
        home.ip(*(f"link set {machine.name} master br0 up" for machine, _, _ in ends))
        for machine, end, number in ends:
            machine.interfaces.append(end)
            machine.ip(
                f"link set {end} up",
                *(add_line(address, end) for address in network.addresses(number)),
            )

    def close(self) -> None:
        for namespace in self.namespaces.values():
            namespace.kill()
        _ip(f"netns del {namespace.path.name}" for namespace in self.namespaces.values())
        self.namespaces.clear()


@dataclass(slots=True)
class Cluster:
    """The usual lab: one client, directors, real servers."""

    lab: Lab
    client: Namespace
    directors: tuple[Namespace, ...]
    real_servers: tuple[Namespace, ...]


def cluster(lab: Lab, directors: int = 2, real_servers: int = 3, inner: int = 0) -> Cluster:
    """client, lb1…, rs1… on FRONT; with `inner`, that many real servers more behind the directors.

    Those are named nat1…, sit on INNER only, number from 21 there, and their default gateway is
    the floating inner address (GATEWAY), which the directors' eth1 carries when told to.
    """
    (client,) = lab.add("client")
    balancers = lab.add(*(f"lb{n}" for n in range(1, directors + 1)))
    servers = lab.add(*(f"rs{n}" for n in range(1, real_servers + 1)))
    lab.bridge(FRONT)
    lab.plug(
        FRONT,
        [
            (client, CLIENT),
            *_numbered(balancers, DIRECTOR),
            *_numbered(servers, REAL_SERVER),
        ],
    )
    hidden = _add_inner(lab, balancers, inner) if inner else ()
    return Cluster(lab, client, balancers, servers + hidden)


def _add_inner(lab: Lab, directors: tuple[Namespace, ...], count: int) -> tuple[Namespace, ...]:
    servers = lab.add(*(f"nat{n}" for n in range(1, count + 1)))
    lab.bridge(INNER)
    lab.plug(INNER, [*_numbered(directors, DIRECTOR), *_numbered(servers, REAL_SERVER)])
    for server in servers:
        gateways = (address.ip for address in INNER.addresses(GATEWAY))
        server.ip(*(f"route add default via {gateway}" for gateway in gateways))
    return servers


def add_line(address: IPv4Interface | IPv6Interface | str, interface: str) -> str:
    """The `ip` line that adds an address, without duplicate address detection for IPv6."""
    known = ip_interface(address)
    return f"address add {known} dev {interface}" + (" nodad" if known.version == 6 else "")


def _numbered(machines: Sequence[Namespace], first: int) -> list[tuple[Namespace, int]]:
    return [(machine, first + index) for index, machine in enumerate(machines)]


def _ip(lines: Iterable[str]) -> None:
    if text := "".join(f"{line}\n" for line in lines):
        _output(["ip", "-batch", "-"], text, 60)


def _output(argv: Sequence[str], text: str, timeout: float) -> str:
    """A program's stdout; HostError with its own words when it fails."""
    try:
        done = subprocess.run(
            argv, input=text, capture_output=True, text=True, timeout=timeout, check=True
        )
    except FileNotFoundError:
        raise HostError(f"lab: {argv[0]} is not installed: apt install iproute2") from None
    except subprocess.CalledProcessError as error:
        raise HostError(f"lab: {' '.join(argv)}: {(error.stderr or text).strip()}") from None
    return done.stdout


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise HostError(f"lab: cannot enter the namespace: {os.strerror(number)}")


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _namespace_of(pid: int) -> int:
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return 0


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
