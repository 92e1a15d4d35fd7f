"""Listings of a table, timeouts, daemons and connections, byte for byte."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from lvsha.core.ipvsadm import listing
from lvsha.core.ipvsadm.connections import connection_lines, read_connection
from lvsha.core.ipvsadm.names import NUMERIC, NoNames
from lvsha.core.ipvsadm.numerals import address_text
from lvsha.core.ipvsadm.objects import connections_object, daemons_object, table_object
from lvsha.core.ipvsadm.request import Layout, Style
from lvsha.core.types import (
    Address,
    Destination,
    DestinationKey,
    DestinationStatus,
    Family,
    Forwarding,
    FwmarkKey,
    IpvsInfo,
    Protocol,
    Service,
    ServiceFlags,
    ServiceKey,
    ServiceStatus,
    Stats,
    SyncDaemon,
    SyncRole,
    Timeouts,
    Tunnel,
    TunnelFlags,
    TunnelType,
)

WEB = ServiceKey(Protocol.TCP, ip_address("192.0.2.10"), 80)
ONE = DestinationKey(ip_address("10.0.0.1"), 80)
STATS = Stats(1, 20, 300, 123456789, 98765432100, 7, 8, 9, 100000000, 11)


def rows(
    service: Service,
    *destinations: Destination,
    style: Style = Style.PLAIN,
    exact: bool = False,
) -> list[str]:
    statuses = [DestinationStatus(each, 2, 3, 4, STATS) for each in destinations]
    entries = [(ServiceStatus(service, STATS), statuses)]
    return list(listing.lines(entries, Layout(style, exact=exact), NUMERIC))


@pytest.mark.parametrize(
    ("service", "line"),
    [
        (Service(WEB, "rr"), "TCP  192.0.2.10:80 rr"),
        (
            Service(WEB, "mh", ServiceFlags(0x19), 300),
            "TCP  192.0.2.10:80 mh (mh-fallback,mh-port) persistent 300",
        ),
        (
            Service(WEB, "wlc", ServiceFlags(0x25), 9, 24, "sip"),
            "TCP  192.0.2.10:80 wlc (flag-3) persistent 9 mask 255.255.255.0 pe sip ops",
        ),
        (
            Service(WEB, "wlc", ServiceFlags.PERSISTENT, 9, -24),
            "TCP  192.0.2.10:80 wlc persistent 9 mask 0.0.0.24",
        ),
        (Service(WEB, "sh", ServiceFlags.SCHED3), "TCP  192.0.2.10:80 sh ()"),
        (
            Service(ServiceKey(Protocol.SCTP, ip_address("2001:db8::a"), 1), "rr", netmask=128),
            "SCTP [2001:db8::a]:1 rr",
        ),
        (Service(FwmarkKey(Family.IPV4, 4294967295)), "FWM  -1 wlc"),
        (
            Service(FwmarkKey(Family.IPV6, 3), "rr", ServiceFlags.PERSISTENT, 5, 64),
            "FWM  3 IPv6 rr persistent 5 mask 64",
        ),
    ],
)
def test_a_service_has_its_line(service: Service, line: str) -> None:
    """Scheduler, flags, persistence and one-packet scheduling in ipvsadm's words."""
    assert rows(service) == [line]


@pytest.mark.parametrize(
    ("style", "line"),
    [
        (Style.PLAIN, "  -> 10.0.0.1:80                  Masq    5      2          3         "),
        (
            Style.THRESHOLDS,
            "  -> 10.0.0.1:80                  20         10         2          3         ",
        ),
        (
            Style.PERSISTENT_CONN,
            "  -> 10.0.0.1:80                  5         4           2          3         ",
        ),
        (
            Style.TUN_INFO,
            "  -> 10.0.0.1:80                  Masq    n/a           5      2          3         ",
        ),
        (
            Style.STATS,
            "  -> 10.0.0.1:80                         1       20      300  123456K   98765M",
        ),
        (
            Style.RATE,
            "  -> 10.0.0.1:80                         7        8        9  100000K       11",
        ),
    ],
)
def test_a_destination_has_its_columns(style: Style, line: str) -> None:
    """Widths, trailing blanks and rounding down are ipvsadm's."""
    destination = Destination(ONE, Forwarding.NAT, 5, 20, 10)
    assert rows(Service(WEB), destination, style=style)[1] == line


@pytest.mark.parametrize(
    ("value", "short", "exact"),
    [
        (0, "        0", "        0"),
        (99999999, " 99999999", " 99999999"),
        (100000000, "  100000K", " 100000000"),
        (999999999, "  999999K", " 999999999"),
        (1000000000, "    1000M", " 1000000000"),
        (99999999999, "   99999M", " 99999999999"),
        (100000000000, "     100G", " 100000000000"),
        (99999999999999, "   99999G", " 99999999999999"),
        (100000000000000, "     100T", " 100000000000000"),
        (2**64 - 1, "18446744T", " 18446744073709551615"),
    ],
)
def test_large_numbers_are_cut_or_exact(value: int, short: str, exact: str) -> None:
    """Nine places; --exact takes as many as it needs."""
    assert listing.large_number(value, exact=False) == short
    assert listing.large_number(value, exact=True) == exact


@pytest.mark.parametrize(
    ("tunnel", "text"),
    [
        (Tunnel(), "ipip"),
        (Tunnel(TunnelType.GUE, 6080), "gue:6080:-c"),
        (Tunnel(TunnelType.GUE, 6080, TunnelFlags.REMCSUM), "gue:6080:r+c"),
        (Tunnel(TunnelType.GRE, 0, TunnelFlags.CSUM), "gre:+c"),
    ],
)
def test_a_tunnel_is_named_with_port_and_checksum(tunnel: Tunnel, text: str) -> None:
    """Only of a destination that is reached through one."""
    assert listing.tunnel_text(Destination(ONE, Forwarding.TUN, tunnel=tunnel)) == text
    assert listing.tunnel_text(Destination(ONE, Forwarding.DR, tunnel=tunnel)) == "n/a"


def test_titles_name_the_columns() -> None:
    """Two lines for each kind of listing, under the banner of a whole table."""
    assert (
        listing.banner(IpvsInfo((1, 2, 1), 4096)) == "IP Virtual Server version 1.2.1 (size=4096)"
    )
    assert listing.title(Style.PLAIN) == [
        "Prot LocalAddress:Port Scheduler Flags",
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn",
    ]
    assert listing.title(Style.THRESHOLDS)[0] == (
        "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn "
    )
    assert listing.title(Style.RATE)[0] == (
        "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS"
    )


class LongNames(NoNames):
    """Names that fit no column."""

    def host_name(self, address: Address) -> str | None:
        return "a-host-with-a-name-that-is-quite-long.and-a-domain.example.com"

    def port_name(self, port: int, protocol: Protocol) -> str | None:
        return "http"


def test_names_are_cut_where_ipvsadm_cuts_them() -> None:
    """33 and 28 places for IPv4, the 59 bytes of its buffer for all."""
    six = Destination(DestinationKey(ip_address("2001:db8::1"), 80), Forwarding.TUN)
    entries = [
        (ServiceStatus(Service(WEB)), [DestinationStatus(Destination(ONE)), DestinationStatus(six)])
    ]
    service, four, other = listing.lines(entries, Layout(), LongNames())
    assert service == "TCP  a-host-with-a-name-that-is-q wlc"
    assert four.startswith("  -> a-host-with-a-name-that-is-q Route ")
    assert other.startswith(
        "  -> [a-host-with-a-name-that-is-quite-long.and-a-domain.example Tunnel "
    )


def test_timeouts_and_daemons_have_a_line_each() -> None:
    """What the kernel does not tell of a daemon is not there."""
    assert listing.timeouts_line(Timeouts(900, 120, 300)) == "Timeout (tcp tcpfin udp): 900 120 300"
    short = SyncDaemon(SyncRole.BACKUP, "eth1", 7)
    assert listing.daemon_line(short) == "backup sync daemon (mcast=eth1, syncid=7)"
    full = SyncDaemon(SyncRole.MASTER, "eth0", 0, 1472, ip_address("224.0.0.81"), 8848, 1)
    assert listing.daemon_line(full) == (
        "master sync daemon (mcast=eth0, syncid=0, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)"
    )


CONNECTION = "TCP C0000205 C350 C000020A 0050 0A000001 1F90 ESTABLISHED     899\n"
SIP = "UDP 00000000 0000 C000020A 13C4 0A000001 13C4 UDP             75 sip one@two\n"
SIX = (
    "TCP 2001:0db8:0000:0000:0000:0000:0000:0005 C350 2001:0db8:0000:0000:0000:0000:0000:000a"
    " 0050 0A000001 0050 SYN_RECV        3599\n"
)


def test_connections_are_the_kernels_lines_made_readable() -> None:
    """Hexadecimal addresses, seconds and long IPv6 become what ipvsadm prints."""
    connections = [read_connection(line) for line in (CONNECTION, SIP, SIX)]
    assert list(connection_lines(connections, NUMERIC, persistent=False))[1:] == [
        "pro expire state       source             virtual            destination",
        "TCP 14:59  ESTABLISHED 192.0.2.5:50000    192.0.2.10:80      10.0.0.1:8080",
        "UDP 01:15  UDP         0.0.0.0:0          192.0.2.10:5060    10.0.0.1:5060",
        "TCP 59:59  SYN_RECV    [2001:db8::5]:50000 [2001:db8::a]:80   10.0.0.1:80",
    ]
    lines = list(connection_lines(connections, NUMERIC, persistent=True))
    assert lines[1] == (
        "pro expire state       source             virtual            destination        "
        "pe name          pe_data"
    )
    assert lines[3] == (
        "UDP 01:15  UDP         0.0.0.0:0          192.0.2.10:5060    10.0.0.1:5060    "
        "sip                one@two"
    )


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("::ffff:1.2.3.4", "::ffff:1.2.3.4"),
        ("::1.2.3.4", "::1.2.3.4"),
        ("::1:0", "::0.1.0.0"),
        ("::1", "::1"),
        ("::ffff", "::ffff"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
    ],
)
def test_ipv6_addresses_are_written_as_the_c_library_does(address: str, text: str) -> None:
    """Addresses that hold an IPv4 one keep its dots."""
    assert address_text(ip_address(address)) == text


def test_json_says_all_there_is() -> None:
    """Numbers whole, whatever columns a listing would have; absent things are null."""
    gue = Tunnel(TunnelType.GUE, 6080, TunnelFlags.CSUM)
    status = DestinationStatus(Destination(ONE, Forwarding.TUN, 5, tunnel=gue), 2, 3, 4, STATS)
    service = Service(WEB, "sh", ServiceFlags(0x11), 300)
    found = table_object([(ServiceStatus(service), [status])], IpvsInfo((1, 2, 1), 4096))
    assert found["connection_table_size"] == 4096
    (entry,) = found["virtual_services"]
    assert entry["persistence"] == {"timeout": 300, "netmask": 32, "engine": None}
    assert entry["scheduler_flags"] == ["sh-port"]
    (server,) = entry["real_servers"]
    assert server["tunnel"] == {"type": "gue", "port": 6080, "checksum": "plain"}
    assert server["stats"]["in_bytes"] == 123456789
    assert server["active_connections"] == 2
    assert daemons_object([]) == {"sync_daemons": []}
    (connection,) = connections_object([read_connection(CONNECTION)])["connections"]
    assert connection["client"] == {"address": "192.0.2.5", "port": 50000}
    assert connection["expires"] == 899
