"""Packets that cross the real kernel, in every way IPVS forwards them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from lvsha.core.types import Family, endpoint
from lvsha.errors import ProbeError
from tests.kernel.site import MAPPED_PORT, PORT, VIP4, VIP6, Site, even, names, servers

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("family", Family, ids=lambda family: family.name.lower())
@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("forwarding", ["dr", "nat", "tun"])
def test_a_service_reaches_each_of_its_real_servers(
    site: Site, forwarding: str, protocol: str, family: Family
) -> None:
    """Three requests each under rr; ipvsadm lists the method, and counts what crossed.

    NAT maps the service's port to another one of the real server's.
    """
    port = MAPPED_PORT if forwarding == "nat" else PORT
    target = site.balance(
        servers(forwarding, family),
        port=port,
        protocol=protocol,
        address=str(VIP6 if family is Family.IPV6 else VIP4),
        scheduler="rr",
        forwarding=forwarding,
    )
    before = site.rows()
    assert site.client.count(target, 9) == even(9, names(forwarding))
    after = site.rows()
    assert set(after) == {
        endpoint(ip_address(server), port) for server in servers(forwarding, family)
    }
    for server, row in after.items():
        crossed = row.active + row.inactive - before[server].active - before[server].inactive
        assert (row.forwarding, crossed) == (forwarding, 3), server


def test_a_port_without_a_service_does_not_cross(site: Site) -> None:
    """Only what the file names is forwarded."""
    target = site.balance(servers("dr"), address=str(VIP4), scheduler="rr", forwarding="dr")
    assert site.client.ask(target) in names("dr")
    site.forget()
    with pytest.raises(ProbeError, match="refused"):
        site.client.ask(target)
