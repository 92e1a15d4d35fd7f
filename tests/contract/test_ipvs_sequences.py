"""Whatever is asked of both, the kernel and its twin answer alike and end up alike."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lvsha.core.commands import Command, Flush, SetTimeouts, StopDaemon
from lvsha.core.types import IpvsTable, SyncDaemon, SyncRole, Timeouts
from lvsha.kernel.ipvs import KernelIpvs
from lvsha.kernel.memory import MemoryIpvs
from lvsha.kernel.ports import Ipvs
from tests.commands import commands
from tests.contract.conftest import kernel_ipvs

pytestmark = pytest.mark.kernel

EMPTY: list[Command] = [
    Flush(),
    SetTimeouts(Timeouts(900, 120, 300)),
    *(StopDaemon(SyncDaemon(role)) for role in SyncRole),
]


@pytest.fixture(scope="module")
def kernel() -> Iterator[KernelIpvs]:
    with kernel_ipvs() as opened:
        yield opened


def in_any_order(table: IpvsTable) -> dict[object, object]:
    """Services as a set: their buckets' numbers are the namespace's own; destinations in order."""
    return {
        key: (entry.service, tuple(entry.destinations.values())) for key, entry in table.items()
    }


def everything(ipvs: Ipvs) -> object:
    return in_any_order(ipvs.table()), ipvs.timeouts(), ipvs.daemons()


@pytest.mark.timeout(300)
@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(asked=st.lists(commands, max_size=30))
def test_the_twin_refuses_what_the_kernel_refuses_and_keeps_what_it_keeps(
    kernel: KernelIpvs, asked: list[Command]
) -> None:
    twin = MemoryIpvs(interfaces={"lo": 65536})
    kernel.apply(EMPTY)
    refused = [(refusal.command, refusal.errno) for refusal in kernel.apply(asked)]
    assert refused == [(refusal.command, refusal.errno) for refusal in twin.apply(asked)]
    assert everything(kernel) == everything(twin)
    for key, found in kernel.read(list(kernel.table())):
        assert found == twin.destinations(key)
