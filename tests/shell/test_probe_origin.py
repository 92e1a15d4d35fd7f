"""Where a probe's packets leave from: source, device and mark, and what this machine can't do."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_address

import pytest

from lvsha.core.detour import Origin
from lvsha.core.health import Outcome, ProbeResult
from lvsha.core.plan import Check
from lvsha.core.probes import DnsProbe, PingProbe, Probe, TcpProbe, UdpProbe
from lvsha.errors import InconclusiveError
from lvsha.probes import Prober
from lvsha.probes.origin import set_out

FOREIGN = ip_address("192.0.2.77")


async def probe(spec: Probe, port: int, origin: Origin, host: str = "127.0.0.1") -> ProbeResult:
    """One probe's result."""
    prober = Prober()
    result: asyncio.Future[ProbeResult] = asyncio.get_running_loop().create_future()
    check = Check(spec, ip_address(host), port, timeout=1.0, origin=origin)
    prober.prepare(check)(result.set_result)
    try:
        return await asyncio.wait_for(result, 5)
    finally:
        prober.close()


@dataclass
class Listener:
    """A socket on loopback that knows who came."""

    sock: socket.socket

    @property
    def port(self) -> int:
        return int(self.sock.getsockname()[1])

    def caller(self) -> str:
        connection, (host, *_) = self.sock.accept()
        connection.close()
        return str(host)


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.settimeout(5)
        yield Listener(sock)


async def test_a_connection_comes_from_the_source(listener: Listener) -> None:
    origin = Origin(source=ip_address("127.0.0.9"))
    assert (await probe(TcpProbe(), listener.port, origin)).outcome is Outcome.PASS
    assert listener.caller() == "127.0.0.9"


async def test_a_datagram_comes_from_the_source() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)
        origin = Origin(source=ip_address("127.0.0.9"))
        await probe(UdpProbe(b"x"), sock.getsockname()[1], origin)
        assert sock.recvfrom(10)[1][0] == "127.0.0.9"


async def test_a_connection_through_the_right_device_arrives(listener: Listener) -> None:
    result = await probe(TcpProbe(), listener.port, Origin(device="lo"))
    assert result.outcome is Outcome.PASS


@pytest.mark.parametrize("spec", [TcpProbe(), UdpProbe(), DnsProbe(), PingProbe()], ids=str)
async def test_a_source_this_machine_has_not_says_nothing_of_the_target(spec: Probe) -> None:
    result = await probe(spec, 9, Origin(source=FOREIGN))
    assert result.outcome is Outcome.INCONCLUSIVE
    assert result.message == "this machine: source 192.0.2.77: cannot assign requested address"


@pytest.mark.parametrize("spec", [TcpProbe(), UdpProbe(), DnsProbe(), PingProbe()], ids=str)
async def test_a_device_this_machine_has_not_says_nothing_of_the_target(spec: Probe) -> None:
    result = await probe(spec, 9, Origin(device="nosuch0"))
    assert result.outcome is Outcome.INCONCLUSIVE
    assert result.message == "this machine: device nosuch0: no such device"


def test_an_ipv6_connection_has_its_source() -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
        set_out(sock, Origin(source=ip_address("::1")))
        assert sock.getsockname()[0] == "::1"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mark packets")
@pytest.mark.parametrize("mark", [1, 2**32 - 1])
def test_a_mark_is_on_the_socket(mark: int) -> None:
    with socket.socket() as sock:
        set_out(sock, Origin(mark=mark))
        found = sock.getsockopt(socket.SOL_SOCKET, socket.SO_MARK, 4)
        assert struct.unpack("I", found) == (mark,)


def test_many_targets_are_reached_from_one_source_and_port() -> None:
    """The port is not taken when the source is: it is chosen when the target is known."""
    with socket.socket() as sock:
        set_out(sock, Origin(source=ip_address("127.0.0.9")))
        assert sock.getsockname() == ("127.0.0.9", 0)


def test_a_machine_that_lacks_the_source_raises_what_is_no_verdict() -> None:
    with socket.socket() as sock, pytest.raises(InconclusiveError):
        set_out(sock, Origin(source=FOREIGN))
