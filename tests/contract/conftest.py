"""The IPVS a contract test runs on: the in-memory twin, and the kernel where there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lvsha.errors import HostError
from lvsha.kernel.ipvs import KernelIpvs
from lvsha.kernel.memory import MemoryIpvs
from lvsha.kernel.ports import Ipvs
from tests.network import own_network, run


@contextmanager
def kernel_ipvs() -> Iterator[KernelIpvs]:
    """An empty table in a network namespace of its own: no real one is ever touched."""
    with own_network():
        run("ip link set lo up")
        try:
            opened = KernelIpvs.open()
        except HostError as error:
            pytest.skip(str(error))
        try:
            yield opened
        finally:
            opened.close()


@pytest.fixture(params=["twin", pytest.param("kernel", marks=pytest.mark.kernel)])
def ipvs(request: pytest.FixtureRequest) -> Iterator[Ipvs]:
    if request.param == "twin":
        yield MemoryIpvs(interfaces={"lo": 65536})
    else:
        with kernel_ipvs() as opened:
            yield opened
