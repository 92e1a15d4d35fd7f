"""Hypothesis strategies for everything an IPVS message can say, to the ends of its fields."""

from __future__ import annotations

import string
from ipaddress import IPv4Address, IPv6Address

from hypothesis import strategies as st

from lvsha.core.types import (
    Destination,
    DestinationKey,
    Family,
    Forwarding,
    FwmarkKey,
    Key,
    Protocol,
    Service,
    ServiceFlags,
    ServiceKey,
    SyncDaemon,
    SyncRole,
    Tunnel,
    TunnelFlags,
    TunnelType,
)

u8, u16, u32 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32))
names = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=15)
addresses = st.one_of(
    st.integers(0, 2**32 - 1).map(IPv4Address), st.integers(0, 2**128 - 1).map(IPv6Address)
)
keys: st.SearchStrategy[Key] = st.one_of(
    st.builds(ServiceKey, st.sampled_from(Protocol), addresses, u16),
    st.builds(FwmarkKey, st.sampled_from(Family), u32),
)
flags = st.sampled_from(ServiceFlags)
"""Any of them together."""


@st.composite
def _services(draw: st.DrawFn) -> Service:
    key = draw(keys)
    own = draw(flags)
    return Service(
        key,
        draw(names),
        own,
        draw(u32) if ServiceFlags.PERSISTENT in own else 0,
        draw(st.integers(0, key.family.bits)),
        draw(st.just("") | names),
    )


services = _services()
tunnels = st.builds(Tunnel, st.sampled_from(TunnelType), u16, st.sampled_from(TunnelFlags))
destinations = st.builds(
    Destination,
    st.builds(DestinationKey, addresses, u16),
    st.sampled_from(Forwarding),
    u32,
    u32,
    u32,
    st.just(Tunnel()) | tunnels,
)
daemons = st.builds(
    SyncDaemon, st.sampled_from(SyncRole), names, u32, u16, st.none() | addresses, u16, u8
)
