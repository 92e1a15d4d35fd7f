"""Checks over UDP and ICMP where the network has something to say, and where it has not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lvsha.core.health import Outcome
from lvsha.core.probes import PingProbe, Probe, UdpProbe
from tests.network import own_network, run
from tests.shell.targets import probe

pytestmark = pytest.mark.netns
DOING = {UdpProbe: "waiting for a reply", PingProbe: "waiting for the echo reply"}


@pytest.fixture
def network() -> Iterator[None]:
    """An interface with 10.9.0.1/24 and fd09::1/64 on a wire with nobody at the other end."""
    with own_network():
        run("ip link set lo up; ip link add near0 type veth peer name far0")
        run("ip link set near0 up; ip link set far0 up")
        run("ip address add 10.9.0.1/24 dev near0; ip address add fd09::1/64 dev near0 nodad")
        for family in ("ipv4", "ipv6"):
            run(f"echo 50 > /proc/sys/net/{family}/neigh/near0/retrans_time_ms")
            run(f"echo 1 > /proc/sys/net/{family}/neigh/near0/mcast_solicit")
        yield


@pytest.mark.parametrize("spec", [UdpProbe(b"x"), PingProbe()], ids=str)
@pytest.mark.parametrize("address", ["10.9.0.2", "fd09::2"])
@pytest.mark.usefixtures("network")
async def test_a_neighbour_that_is_gone_fails(spec: Probe, address: str) -> None:
    """Also for `udp` without `expect`: that nobody answers ARP is as good as an ICMP error."""
    for _ in range(2):
        result = await probe(spec, 80, host=address)
        assert result.outcome is Outcome.FAIL
        assert result.message == f"host unreachable while {DOING[type(spec)]}"


@pytest.mark.parametrize("spec", [UdpProbe(b"x", b"y"), PingProbe()], ids=str)
@pytest.mark.parametrize("address", ["10.99.0.1", "fd99::1"])
@pytest.mark.usefixtures("network")
async def test_without_a_route_we_learn_nothing(spec: Probe, address: str) -> None:
    result = await probe(spec, 80, host=address)
    assert result.outcome is Outcome.INCONCLUSIVE
    assert result.message == "this machine: network is unreachable"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.usefixtures("network")
async def test_datagram_sockets_ping_where_the_kernel_lets_them(address: str) -> None:
    """With net.ipv4.ping_group_range open no raw socket is needed."""
    run("echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range")
    result = await probe(PingProbe(), 0, host=address)
    assert result.outcome is Outcome.PASS
    assert result.message.startswith("echo reply in ")
