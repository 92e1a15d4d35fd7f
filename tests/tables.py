"""Hypothesis strategies for IPVS tables: small worlds, so that collisions are common."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import strategies as st

from lvsha.core.types import (
    Destination,
    DestinationKey,
    Family,
    Forwarding,
    FwmarkKey,
    Protocol,
    Service,
    ServiceEntry,
    ServiceFlags,
    ServiceKey,
)

addresses = st.integers(1, 3).map(lambda n: ip_address(f"10.0.0.{n}"))
keys = st.one_of(
    st.builds(ServiceKey, st.sampled_from(Protocol), addresses, st.sampled_from([80, 443])),
    st.builds(FwmarkKey, st.sampled_from(Family), st.integers(1, 2)),
)
destinations = st.builds(
    Destination,
    key=st.builds(DestinationKey, addresses, st.sampled_from([80, 8080])),
    forwarding=st.sampled_from([Forwarding.NAT, Forwarding.DR, Forwarding.TUN]),
    weight=st.integers(0, 2),
    upper_threshold=st.integers(0, 1),
)


@st.composite
def entries(draw: st.DrawFn, key: ServiceKey | FwmarkKey) -> ServiceEntry:
    service = Service(
        key,
        scheduler=draw(st.sampled_from(["rr", "wlc"])),
        flags=draw(st.sampled_from([ServiceFlags.NONE, ServiceFlags.PERSISTENT])),
    )
    found = draw(st.lists(destinations, max_size=4, unique_by=lambda dest: dest.key))
    return ServiceEntry(service, {dest.key: dest for dest in found})


@st.composite
def tables(draw: st.DrawFn) -> dict[ServiceKey | FwmarkKey, ServiceEntry]:
    chosen = draw(st.lists(keys, max_size=4, unique=True))
    return {key: draw(entries(key)) for key in chosen}
