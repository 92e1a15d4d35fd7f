"""ipvsadm's grammar without a kernel: what words ask for, and what it says to wrong ones."""

from __future__ import annotations

import shlex
from ipaddress import IPv4Address, ip_address

import pytest

from lvsha.core.commands import (
    AddDestination,
    AddService,
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
from lvsha.core.ipvsadm.grammar import TRY_HELP, parse
from lvsha.core.ipvsadm.names import NUMERIC, NoNames
from lvsha.core.ipvsadm.request import (
    Change,
    Help,
    Layout,
    ListConnections,
    ListDaemons,
    ListTable,
    ListTimeouts,
    Request,
    Restore,
    Save,
    Style,
    Version,
    WordsError,
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

WEB = ServiceKey(Protocol.TCP, ip_address("192.0.2.10"), 80)
SIX = ServiceKey(Protocol.UDP, ip_address("2001:db8::10"), 53)
MARK6 = FwmarkKey(Family.IPV6, 7)
RS = DestinationKey(ip_address("10.0.0.1"), 80)
PERSISTENT = ServiceFlags.PERSISTENT


class SomeNames(NoNames):
    """A machine that knows one host and one service."""

    def host_address(self, name: str) -> IPv4Address | None:
        return IPv4Address("192.0.2.10") if name == "www" else None

    def port_number(self, name: str, protocol: Protocol) -> int | None:
        return 80 if (name, protocol) == ("http", Protocol.TCP) else None


def read(line: str) -> Request:
    return parse(shlex.split(line), SomeNames())


@pytest.mark.parametrize(
    "line",
    [
        "-A -t 192.0.2.10:80 -s rr",
        "-At192.0.2.10:80 -srr",
        "-A -t=192.0.2.10:80 -s=rr",
        "--add-service --tcp-service 192.0.2.10:80 --scheduler rr",
        "--add-service --tcp-service=192.0.2.10:80 --scheduler=rr",
        "-A -s rr -t www:http",
        "-A -t 192.0.2.10:http -srr",
        "-A -t 192.0.522:80 -srr --sort",
        "-A -t 0xc0.0.02.012:80 -s rr -M 255.255.255.255",
    ],
)
def test_one_service_can_be_written_in_many_ways(line: str) -> None:
    """Short, long, bundled, with and without a blank or an equals sign, by name or number."""
    assert read(line) == Change(AddService(Service(WEB, "rr")))


@pytest.mark.parametrize(
    ("line", "service"),
    [
        ("-t 192.0.2.10:80", Service(WEB)),
        ("-t 192.0.2.10:80 -p", Service(WEB, flags=PERSISTENT, timeout=360)),
        ("-t 192.0.2.10:80 -p -s rr", Service(WEB, "rr", PERSISTENT, 360)),
        ("-t 192.0.2.10:80 -p30", Service(WEB, flags=PERSISTENT, timeout=30)),
        ("-p=30 -t 192.0.2.10:80", Service(WEB, flags=PERSISTENT, timeout=30)),
        ("-t 192.0.2.10:80 --persistent=30", Service(WEB, flags=PERSISTENT, timeout=30)),
        ("-t 192.0.2.10:80 -p 30 -M 255.255.255.0", Service(WEB, "wlc", PERSISTENT, 30, 24)),
        ("-t 192.0.2.10:80 -p 30 -M 24", Service(WEB, "wlc", PERSISTENT, 30, -24)),
        ("-u [2001:db8::10]:53 -o", Service(SIX, flags=ServiceFlags.ONE_PACKET, netmask=128)),
        ("-M 64 -u [2001:db8::10]:53", Service(SIX, netmask=128)),
        ("-u [2001:db8::10]:53 -M 64x", Service(SIX, netmask=64)),
        ("-f 7 -6 -s sh", Service(MARK6, "sh", netmask=128)),
        ("-f 7 -o", Service(FwmarkKey(Family.IPV4, 7), flags=ServiceFlags.ONE_PACKET)),
        ("-f 7 -6 -b mh-port,flag-3 -s mh", Service(MARK6, "mh", ServiceFlags(0x30), netmask=128)),
        ("-t 192.0.2.10:80 -b ,flag-1,", Service(WEB, flags=ServiceFlags.SCHED1)),
        ("-t 192.0.2.10:80 -s ''", Service(WEB)),
        (f"-t 192.0.2.10:80 -s {'x' * 20}", Service(WEB, "x" * 15)),
        (f"-t 192.0.2.10:80 --pe {'x' * 20}", Service(WEB, persistence_engine="x" * 16)),
    ],
)
def test_a_services_options_are_read(line: str, service: Service) -> None:
    """The same for -A and -E, which resets what is not said."""
    assert read(f"-A {line}") == Change(AddService(service))
    assert read(f"-E {line}") == Change(SetService(service))


@pytest.mark.parametrize(
    ("line", "destination"),
    [
        ("-r 10.0.0.1", Destination(RS)),
        ("-r 10.0.0.1:8080 -g", Destination(RS)),
        ("-r 10.0.0.1:8080 -m", Destination(DestinationKey(RS.address, 8080), Forwarding.NAT)),
        ("-r 10.0.0.1 -m -w 70000", Destination(RS, Forwarding.NAT, 70000)),
        ("-r 10.0.0.1 -w0 -x 2147483647 -y 5", Destination(RS, Forwarding.DR, 0, 2147483647, 5)),
        ("-r 10.0.0.1 -i", Destination(RS, Forwarding.TUN)),
        ("-r 10.0.0.1 -i --tun-type ipip", Destination(RS, Forwarding.TUN)),
        (
            "-r 10.0.0.1 -i --tun-type gue --tun-port 6080 --tun-remcsum",
            Destination(
                RS,
                Forwarding.TUN,
                tunnel=Tunnel(TunnelType.GUE, 6080, TunnelFlags.REMCSUM),
            ),
        ),
        (
            "-r [2001:db8::1]:90 -i --tun-type gre --tun-csum",
            Destination(
                DestinationKey(ip_address("2001:db8::1"), 80),
                Forwarding.TUN,
                tunnel=Tunnel(TunnelType.GRE, 0, TunnelFlags.CSUM),
            ),
        ),
    ],
)
def test_a_servers_options_are_read(line: str, destination: Destination) -> None:
    """The same for -a and -e; without -m the server's port is the service's, whatever is said."""
    assert read(f"-a -t 192.0.2.10:80 {line}") == Change(AddDestination(WEB, destination))
    assert read(f"-e -t 192.0.2.10:80 {line}") == Change(SetDestination(WEB, destination))


def test_a_server_before_its_service_has_no_port_to_inherit() -> None:
    """Order matters, as in ipvsadm."""
    server = DestinationKey(RS.address, 0)
    wanted = Change(AddDestination(WEB, Destination(server, Forwarding.NAT)))
    assert read("-a -r 10.0.0.1 -m -t 192.0.2.10:80") == wanted


@pytest.mark.parametrize(
    ("line", "request_"),
    [
        ("-D -f 7 -6", Change(DeleteService(MARK6))),
        ("-D -f 7 -6 --wait", Change(DeleteService(MARK6), drain=True)),
        ("-d -t www:80 -r 10.0.0.1", Change(DeleteDestination(WEB, RS))),
        (
            "-d -t www:80 -r 10.0.0.1 --wait --deadline 30",
            Change(DeleteDestination(WEB, RS), drain=True, deadline=30.0),
        ),
        ("-C", Change(Flush())),
        ("-Z", Change(Zero())),
        ("-Z -t 0.0.0.0:0", Change(Zero())),
        ("--zero -t www:80", Change(Zero(WEB))),
        ("--set 900 0 300", Change(SetTimeouts(Timeouts(900, 0, 300)))),
        ("--start-daemon master", Change(StartDaemon(SyncDaemon(SyncRole.MASTER, "eth0")))),
        (
            "--start-daemon=backup --mcast-interface lo --syncid 5 --sync-maxlen 1000"
            " --mcast-group ff02::5 --mcast-port 99 --mcast-ttl 3",
            Change(
                StartDaemon(
                    SyncDaemon(SyncRole.BACKUP, "lo", 5, 1000, ip_address("ff02::5"), 99, 3)
                )
            ),
        ),
        ("--stop-daemon backup", Change(StopDaemon(SyncDaemon(SyncRole.BACKUP, "eth0")))),
        ("-R", Restore()),
        ("-R --atomic", Restore(atomic=True)),
        ("-S", Save()),
        ("-Sn --full", Save(numeric=True, full=True)),
        ("-L", ListTable(Layout())),
        ("-ln", ListTable(Layout(numeric=True))),
        ("-L -n -t www:80", ListTable(Layout(numeric=True), WEB)),
        ("-LnX --rate --stats --tun-info", ListTable(Layout(Style.STATS, True, True))),
        (
            "-L --nosort --thresholds --json",
            ListTable(Layout(Style.THRESHOLDS, sort=False, json=True)),
        ),
        ("-lnc", ListConnections(Layout(numeric=True))),
        ("-Lc --persistent-conn", ListConnections(Layout(Style.PERSISTENT_CONN))),
        ("--list --timeout", ListTimeouts(Layout())),
        ("--list --daemon --json", ListDaemons(Layout(json=True))),
        ("-h", Help()),
        ("-hq", Help()),
        ("--version nonsense", Version()),
    ],
)
def test_every_other_command_is_read(line: str, request_: Request) -> None:
    """Deletes, listings, daemons and the rest."""
    assert read(line) == request_


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("-A", "You need to supply the 'service-address' option for the 'add-service' command"),
        ("-C -n", "Illegal 'numeric' option with the 'flush' command"),
        (
            "-a -t www:80 -r 10.0.0.1 -s rr",
            "Illegal 'scheduler' option with the 'add-server' command",
        ),
        (
            "-L -c --timeout",
            "The option 'timeout' conflicts with the 'connection' option in the 'list' command",
        ),
        ("-A -t www:80 -u www:80", "multiple 'service-address' options specified"),
        ("-L -A", "invalid option `-A'"),
        ("-L --start-daemon master", "invalid option `master'"),
        ("-L foo", "unexpected argument foo"),
        ("-L -- -n", "unexpected argument -n"),
        ("-L --daemon --stats", "options conflicts in the list command"),
        ("-L --timeout --persistent-conn", "options conflicts in the list command"),
        ("-A -t 80", "illegal virtual server address[:port] specified"),
        ("-A -t nowhere:80", "illegal virtual server address[:port] specified"),
        ("-A -t [::1]", "illegal virtual server address[:port] specified"),
        ("-A -u www:http", "illegal virtual server address[:port] specified"),
        ("-a -t www:80 -r 1.2.3.4:70000", "illegal real server address[:port] specified"),
        ("-A -t www:80 -M nowhere", "illegal virtual server persistent mask specified"),
        ("-A -u [::1]:5 -M 129", "illegal ipv6 netmask specified"),
        ("-A -t www", "Zero port specified for non-persistent service"),
        ("-A -t [192.0.2.10]:80", "Zero port specified for non-persistent service"),
        ("-A -t www:80 -o", "One-Packet Scheduling is only for UDP virtual services"),
        (
            "-a -t www:80 -r ::1",
            "Different address family is allowed only for tunneling servers",
        ),
        ("-a -t www:80 -r 1.1.1.1 --tun-csum", "Tunnel options conflict with forward method"),
        (
            "-a -t www:80 -r 1.1.1.1 -i --tun-type gue",
            "You need to supply the 'tun-port' option for the 'gue' tunnel type",
        ),
        (
            "-a -t www:80 -r 1.1.1.1 -i --tun-csum",
            "Illegal 'tun-csum' option with the 'ipip' tunnel type",
        ),
        (
            "-a -t www:80 -r 1.1.1.1 -i --tun-type gre --tun-csum --tun-nocsum",
            "The option 'tun-csum' conflicts with the 'tun-nocsum' option in the 'gre' tunnel type",
        ),
        ("-a -t www:80 -r 1.1.1.1 -w -1", "illegal weight specified"),
        ("-a -t www:80 -r 1.1.1.1 -w 2147483648", "illegal weight specified"),
        ("-a -t www:80 -r 1.1.1.1 -x 4294967295", "illegal u_threshold specified"),
        ("-a -t www:80 -r 1.1.1.1 -y 5x", "illegal l_threshold specified"),
        ("-A -f 0", "invalid fwmark value `0' specified"),
        ("-A -f 4294967296", "invalid fwmark value `4294967296' specified"),
        ("-A -t www:80 -p 0", "invalid timeout value `0' specified"),
        ("-A -t www:80 -p 2678401", "invalid timeout value `2678401' specified"),
        ("--set 1 2", "--set option requires 3 timeout values"),
        ("--set 1 2 3 4", "unexpected argument 4"),
        ("-A -6 -f 1", "-6 used before -f\n"),
        ("-L -b nonsense", "invalid scheduler flag `nonsense'"),
        ("-A -t www:80 -b ,", "invalid scheduler flag `,'"),
        ("-A -t www:80 -s mh -b sh-port", "incompatible scheduler flag `sh-port'"),
        ("-a -t www:80 -r 1.1.1.1 -i --tun-type vxlan", "illegal tunnel type specified"),
        ("-a -t www:80 -r 1.1.1.1 -i --tun-port 0", "illegal tunnel port specified"),
        ("--start-daemon nonsense", "illegal start-daemon parameter specified"),
        ("--stop-daemon nonsense", "illegal start_daemon specified"),
        ("--start-daemon master --syncid 256", "illegal syncid specified"),
        ("--start-daemon master --sync-maxlen 65508", "illegal sync-maxlen specified"),
        ("--start-daemon master --mcast-port 0", "illegal mcast-port specified"),
        ("--start-daemon master --mcast-ttl 256", "illegal mcast-ttl specified"),
        ("--start-daemon master --mcast-group 10.1.1.1", "invalid IPv4 mcast-group `10.1.1.1'"),
        ("--start-daemon master --mcast-group ::1", "invalid IPv6 mcast-group `::1'"),
    ],
)
def test_wrong_words_are_answered_in_ipvsadms_own(line: str, text: str) -> None:
    """The exact sentence, exit code 2, and the end of a whole restore."""
    with pytest.raises(WordsError) as caught:
        read(line)
    assert (caught.value.text, caught.value.exit_code, caught.value.final) == (text, 2, True)


@pytest.mark.parametrize(
    ("line", "text", "final"),
    [
        ("", TRY_HELP, True),
        ("foo", TRY_HELP, True),
        ("-n -L", TRY_HELP, True),
        ("-q", TRY_HELP, True),
        ("--start-daemon", TRY_HELP, True),
        ("-Lq", "-Lq: unknown option", False),
        ("-L --nu", "--nu: unknown option", False),
        ("-L --=5", "--=5: unknown option", False),
        ("-L --numeric=1", "--numeric=1: option does not take an argument", False),
        ("-Ln=", "-Ln=: option does not take an argument", False),
        ("-A -t", "-t: missing argument", False),
    ],
)
def test_what_popt_cannot_read_ends_with_255(line: str, text: str, final: bool) -> None:
    """Behind the command it costs a restore only its line."""
    with pytest.raises(WordsError) as caught:
        read(line)
    assert (caught.value.text, caught.value.exit_code, caught.value.final) == (text, 255, final)


def test_mistakes_are_found_in_the_order_of_the_words() -> None:
    """The first wrong word is the one complained about, before any rule between options."""
    with pytest.raises(WordsError, match="illegal weight"):
        parse(["-A", "-w", "x", "-t", "nonsense"], NUMERIC)
    with pytest.raises(WordsError, match="illegal virtual"):
        parse(["-A", "-t", "nonsense", "-w", "x"], NUMERIC)
