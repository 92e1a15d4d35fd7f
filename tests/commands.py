"""Hypothesis strategies for IPVS commands in a small world, where collisions are common."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import strategies as st

from lvsha.core.commands import (
    AddDestination,
    AddService,
    Command,
    DeleteDestination,
    DeleteService,
    Flush,
    SetDestination,
    SetService,
    SetTimeouts,
    StartDaemon,
    StopDaemon,
    Zero,
)
from lvsha.core.types import (
    Destination,
    DestinationKey,
    Family,
    Forwarding,
    FwmarkKey,
    Protocol,
    Service,
    ServiceFlags,
    ServiceKey,
    SyncDaemon,
    SyncRole,
    Timeouts,
    Tunnel,
    TunnelFlags,
    TunnelType,
)

four = st.sampled_from(["10.0.0.1", "10.0.0.2", "224.0.0.9"]).map(ip_address)
six = st.sampled_from(["2001:db8::1", "2001:db8::2", "fe80::9"]).map(ip_address)
addresses = st.one_of(four, four, six)
ports = st.sampled_from([0, 80])
keys = st.one_of(
    st.builds(ServiceKey, st.sampled_from([Protocol.TCP, Protocol.UDP]), addresses, ports),
    st.builds(FwmarkKey, st.sampled_from(Family), st.integers(0, 1)),
)
services = st.builds(
    Service,
    keys,
    scheduler=st.sampled_from(["rr", "wlc", "sh", "mh", "none", "nope", "s" * 16]),
    flags=st.sampled_from([ServiceFlags.NONE, ServiceFlags.PERSISTENT, ServiceFlags.SCHED2]),
    timeout=st.sampled_from([0, 300]),
    netmask=st.sampled_from([0, 24, 32, 33]),
    persistence_engine=st.sampled_from(["", "", "sip", "nope"]),
)
tunnels = st.one_of(
    st.just(Tunnel()),
    st.builds(
        Tunnel,
        st.sampled_from(TunnelType),
        st.sampled_from([0, 6080]),
        st.sampled_from(TunnelFlags),
    ),
)
destination_keys = st.builds(DestinationKey, addresses, ports)
destinations = st.builds(
    Destination,
    destination_keys,
    st.sampled_from([Forwarding.NAT, Forwarding.TUN, Forwarding.DR]),
    weight=st.sampled_from([0, 1, 65535, 2**31]),
    upper_threshold=st.sampled_from([0, 5]),
    lower_threshold=st.sampled_from([0, 0, 5, 6]),
    tunnel=tunnels,
)
daemons = st.builds(
    SyncDaemon,
    st.sampled_from(SyncRole),
    st.sampled_from(["lo", "nowhere0"]),
    sync_id=st.integers(0, 2),
    max_length=st.sampled_from([0, 1, 1400]),
    port=st.sampled_from([0, 9000]),
)
limits = st.sampled_from([0, 60, 2**31 - 1])
commands: st.SearchStrategy[Command] = st.one_of(
    st.builds(AddService, services),
    st.builds(AddService, services),
    st.builds(SetService, services),
    st.builds(DeleteService, keys),
    st.builds(AddDestination, keys, destinations),
    st.builds(AddDestination, keys, destinations),
    st.builds(SetDestination, keys, destinations),
    st.builds(DeleteDestination, keys, destination_keys),
    st.builds(Zero, st.none() | keys),
    st.builds(Flush),
    st.builds(SetTimeouts, st.builds(Timeouts, limits, limits, limits)),
    st.builds(StartDaemon, daemons),
    st.builds(StopDaemon, daemons),
)
