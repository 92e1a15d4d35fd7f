"""Table commands as ipvsadm lines."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from lvsha.core.commands import (
    AddDestination,
    AddService,
    DeleteDestination,
    DeleteService,
    SetDestination,
    SetService,
    TableCommand,
)
from lvsha.core.ipvsadm.lines import save_line
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
    Tunnel,
    TunnelFlags,
    TunnelType,
)

V4 = ServiceKey(Protocol.TCP, ip_address("192.0.2.10"), 80)
V6 = ServiceKey(Protocol.UDP, ip_address("2001:db8::10"), 53)
SCTP = ServiceKey(Protocol.SCTP, ip_address("192.0.2.10"), 99)
ONE = DestinationKey(ip_address("10.0.0.1"), 8080)
SIX = DestinationKey(ip_address("2001:db8::1"), 53)


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (AddService(Service(V4)), "-A -t 192.0.2.10:80 -s wlc"),
        (SetService(Service(V4, "rr")), "-E -t 192.0.2.10:80 -s rr"),
        (DeleteService(V6), "-D -u [2001:db8::10]:53"),
        (AddService(Service(SCTP, "rr")), "-A --sctp-service 192.0.2.10:99 -s rr"),
        (
            AddService(Service(FwmarkKey(Family.IPV6, 7), "rr", netmask=128)),
            "-A -f 7 -6 -s rr",
        ),
        (
            AddService(Service(V4, "wlc", ServiceFlags.PERSISTENT, 300, 24, "sip")),
            "-A -t 192.0.2.10:80 -s wlc -p 300 -M 255.255.255.0 --pe sip",
        ),
        (
            AddService(Service(V6, "mh", ServiceFlags(0x1D), 60, 64)),
            "-A -u [2001:db8::10]:53 -s mh -p 60 -M 64 -o -b mh-fallback,mh-port",
        ),
        (
            AddService(Service(V4, "rr", ServiceFlags(0x38))),
            "-A -t 192.0.2.10:80 -s rr -b flag-1,flag-2,flag-3",
        ),
        (
            AddDestination(V4, Destination(ONE, Forwarding.NAT, 5, 20, 10)),
            "-a -t 192.0.2.10:80 -r 10.0.0.1:8080 -m -w 5 -x 20 -y 10",
        ),
        (
            SetDestination(V4, Destination(ONE, Forwarding.LOCAL)),
            "-e -t 192.0.2.10:80 -r 10.0.0.1:8080 -g -w 1",
        ),
        (
            AddDestination(V4, Destination(ONE, Forwarding.TUN)),
            "-a -t 192.0.2.10:80 -r 10.0.0.1:8080 -i -w 1 --tun-type ipip",
        ),
        (
            AddDestination(
                V6, Destination(SIX, Forwarding.TUN, tunnel=Tunnel(TunnelType.GUE, 6080))
            ),
            "-a -u [2001:db8::10]:53 -r [2001:db8::1]:53 -i -w 1"
            " --tun-type gue --tun-port 6080 --tun-nocsum",
        ),
        (
            AddDestination(
                V4,
                Destination(
                    ONE, Forwarding.TUN, tunnel=Tunnel(TunnelType.GRE, 0, TunnelFlags.CSUM)
                ),
            ),
            "-a -t 192.0.2.10:80 -r 10.0.0.1:8080 -i -w 1 --tun-type gre --tun-csum",
        ),
        (
            DeleteDestination(FwmarkKey(Family.IPV4, 3), ONE),
            "-d -f 3 -r 10.0.0.1:8080",
        ),
    ],
)
def test_a_command_is_written_as_ipvsadm_saves_it(command: TableCommand, line: str) -> None:
    """Options, their order and their values are ipvsadm-save's own."""
    assert save_line(command) == line


def test_thresholds_are_left_out_where_ipvsadm_would_forget_them() -> None:
    """A line that is not full is byte for byte what ipvsadm -S prints."""
    command = AddDestination(V4, Destination(ONE, Forwarding.NAT, 5, 20, 10))
    assert save_line(command, full=False) == "-a -t 192.0.2.10:80 -r 10.0.0.1:8080 -m -w 5"
