"""Probes at the virtual address: what passes, fails and silences are said to mean there."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from ipaddress import ip_address

import pytest

from lvsha.core.detour import Detour, Origin
from lvsha.core.health import Outcome, ProbeResult
from lvsha.core.plan import Check
from lvsha.core.probes import HttpProbe, Probe, TcpProbe, UdpProbe
from lvsha.core.types import Address, Family, Forwarding, FwmarkKey
from lvsha.probes import Prober
from lvsha.probes.origin import set_out
from tests.shell import targets

HERE = ip_address("127.0.0.1")
WAY = Detour(ip_address("127.0.0.2"), Forwarding.DR, interface="lo", link="lo")
MARK = 0
"""None: setting one takes root, and nobody looks at it here."""
WHERE = "at the virtual address 127.0.0.1:{port} by way of this server"


@dataclass
class Claims:
    """A link whose server is asked from the `known_at`-th question on, and `guilty` or not."""

    guilty: bool = False
    known_at: int = 1
    asked: list[tuple[str, Address, Address, Address]] = field(default_factory=list)
    closed: bool = False

    def ask(self, link: str, server: Address, address: Address, source: Address) -> object:
        self.asked.append((link, server, address, source))
        return "question" if len(self.asked) >= self.known_at else None

    def has_answered(self, question: object) -> bool:
        assert question == "question"
        return self.guilty

    def close(self) -> None:
        self.closed = True


async def probe(
    spec: Probe, port: int, claims: Claims | None = None, timeout: float = 2.0, laid: bool = True
) -> ProbeResult:
    prober = Prober(claims, lambda key: laid and key == FwmarkKey(Family.IPV4, MARK))
    result: asyncio.Future[ProbeResult] = asyncio.get_running_loop().create_future()
    check = Check(spec, HERE, port, timeout=timeout, origin=Origin(mark=MARK, detour=WAY))
    prober.prepare(check)(result.set_result)
    try:
        return await asyncio.wait_for(result, 10)
    finally:
        prober.close()


@pytest.fixture
def full():
    """A port whose queue is full: whoever connects hears nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
        for each in waiting:
            each.close()


async def test_a_pass_says_where():
    async with targets.serving(targets.silent) as port:
        found = await probe(TcpProbe(), port)
    assert found.outcome is Outcome.PASS
    assert found.message.startswith("connected at the virtual address in ")


async def test_a_server_that_hears_but_refuses_is_not_suspected_of_lacking_the_address():
    port = targets.unused_port()
    found = await probe(TcpProbe(), port)
    assert found.outcome is Outcome.FAIL
    assert found.message == f"{WHERE.format(port=port)}: connection refused"


def settings(monkeypatch, **values: int) -> None:
    monkeypatch.setattr("lvsha.probes.detour._setting", lambda interface, name: values[name])


@pytest.fixture
def accepting(monkeypatch):
    """This machine takes packets from its own addresses."""
    settings(monkeypatch, accept_local=1, rp_filter=0)


@pytest.mark.usefixtures("accepting")
async def test_silence_asks_for_the_address(full):
    found = await probe(TcpProbe(), full, timeout=0.2)
    assert found.outcome is Outcome.FAIL
    assert found.message == (
        f"no answer {WHERE.format(port=full)}: timed out after 200 ms while connecting; "
        "is the address on its loopback?"
    )


async def test_a_server_that_hangs_has_the_address():
    async with targets.serving(targets.silent) as port:
        found = await probe(HttpProbe(), port, timeout=0.2)
    assert found.outcome is Outcome.FAIL
    assert found.message.startswith(f"{WHERE.format(port=port)}: timed out after 200 ms while ")
    assert "loopback" not in found.message


@pytest.mark.usefixtures("accepting")
async def test_a_datagram_without_reply_asks_for_the_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        found = await probe(UdpProbe(b"", b"pong"), silent.getsockname()[1], timeout=0.2)
    assert found.outcome is Outcome.FAIL
    assert found.message.endswith("; is the address on its loopback?")


async def test_silence_is_ours_where_this_machine_takes_nothing_from_its_own_address(
    full, monkeypatch
):
    settings(monkeypatch, accept_local=0, rp_filter=0)
    found = await probe(TcpProbe(), full, timeout=0.2)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.message.startswith(
        "this machine has 127.0.0.1 and net.ipv4.conf.lo.accept_local is 0: no answer "
    )


async def test_silence_is_ours_where_answers_come_in_by_another_interface(full, monkeypatch):
    settings(monkeypatch, accept_local=1, rp_filter=1)
    monkeypatch.setattr("lvsha.probes.detour._is_on", lambda interface, address: False)
    found = await probe(TcpProbe(), full, timeout=0.2)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.message.startswith(
        "this machine has 127.0.0.1 and rp_filter of lo is 1, the address on another interface: "
    )


async def test_silence_is_the_servers_where_answers_come_in_by_the_same(full, monkeypatch):
    settings(monkeypatch, accept_local=1, rp_filter=1)
    assert (await probe(TcpProbe(), full, timeout=0.2)).outcome is Outcome.FAIL


async def test_a_server_that_answers_for_the_address_fails_whatever_else_it_does():
    async with targets.serving(targets.silent) as port:
        claims = Claims(guilty=True)
        found = await probe(TcpProbe(), port, claims)
    assert found.outcome is Outcome.FAIL
    assert found.message == (
        "answers ARP for 127.0.0.1, which only the master may: see arp_ignore; "
        "clients that hear it pass the directors by"
    )
    assert claims.asked == [("lo", WAY.server, HERE, HERE)]
    assert claims.closed


async def test_a_server_not_known_yet_is_asked_once_it_is():
    async with targets.serving(targets.silent) as port:
        found = await probe(TcpProbe(), port, Claims(guilty=True, known_at=2))
    assert found.message.startswith("answers ARP")


async def test_a_server_that_is_on_no_link_of_ours_is_not_accused():
    async with targets.serving(targets.silent) as port:
        claims = Claims(guilty=True, known_at=9)
        found = await probe(TcpProbe(), port, claims)
    assert found.outcome is Outcome.PASS
    assert len(claims.asked) == 2


async def test_nothing_is_asked_before_the_kernel_has_the_detour():
    found = await probe(TcpProbe(), targets.unused_port(), laid=False)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.message == "this machine's IPVS has no detour by 127.0.0.2"


@pytest.mark.parametrize(
    ("forwarding", "hops"), [(Forwarding.DR, 3), (Forwarding.TUN, 64)], ids=["dr", "tun"]
)
def test_packets_on_the_link_die_before_they_can_be_balanced_again(forwarding, hops):
    with socket.socket() as sock:
        usual = sock.getsockopt(socket.IPPROTO_IP, socket.IP_TTL)
        set_out(sock, Origin(detour=Detour(HERE, forwarding)))
        found = sock.getsockopt(socket.IPPROTO_IP, socket.IP_TTL)
        assert found == (hops if forwarding is Forwarding.DR else usual)


def test_without_a_source_the_way_to_the_server_chooses_one():
    with socket.socket() as sock:
        set_out(sock, Origin(detour=WAY))
        assert sock.getsockname()[0] in ("127.0.0.1", "127.0.0.2")
