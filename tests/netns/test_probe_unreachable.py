"""Which side an unreachable target is blamed on: what the real kernel says, and when."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lvsha.core.health import Outcome
from lvsha.core.probes import TcpProbe
from tests.network import own_network, run
from tests.shell.targets import probe

pytestmark = pytest.mark.netns


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


@pytest.mark.parametrize("address", ["10.99.0.1", "fd99::1"])
@pytest.mark.usefixtures("network")
async def test_without_a_route_we_learn_nothing(address: str) -> None:
    """Our own routing table is at fault."""
    result = await probe(TcpProbe(), 80, host=address)
    assert result.outcome is Outcome.INCONCLUSIVE
    assert result.message == "this machine: network is unreachable"


@pytest.mark.parametrize("address", ["10.98.0.1", "fd98::1"])
@pytest.mark.usefixtures("network")
async def test_a_route_that_forbids_is_ours_too(address: str) -> None:
    """`ip route add unreachable` and `prohibit` are an administrator's word on this machine."""
    run(f"ip route add unreachable {address}")
    result = await probe(TcpProbe(), 80, host=address)
    assert result.outcome is Outcome.INCONCLUSIVE
    run(f"ip route delete unreachable {address}; ip route add prohibit {address}")
    result = await probe(TcpProbe(), 80, host=address)
    assert result.outcome is Outcome.INCONCLUSIVE
    assert result.message == "this machine: permission denied"


@pytest.mark.parametrize("address", ["10.9.0.2", "fd09::2"])
@pytest.mark.usefixtures("network")
async def test_a_neighbour_that_is_gone_fails(address: str) -> None:
    """Nobody answers ARP or neighbour discovery: the machine is dead, not we."""
    for _ in range(2):
        result = await probe(TcpProbe(), 80, host=address)
        assert (result.outcome, result.message) == (
            Outcome.FAIL,
            "host unreachable while connecting",
        )
