"""core.codec and core.messages: every message survives the trip between two processes."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface

import pytest
from hypothesis import given

from lvsha.core.codec import decode, encode
from lvsha.core.messages import (
    Configure,
    Configured,
    Processes,
    ReloadDone,
    ReloadRequested,
    RouterStatus,
    Stop,
    VrrpStatus,
    from_line,
    to_line,
)
from lvsha.core.plan import (
    Check,
    DirectorPlan,
    RealServer,
    VirtualRouter,
    VirtualService,
    VrrpPlan,
)
from lvsha.core.probes import HttpProbe, TcpProbe
from lvsha.core.types import Family, Forwarding, FwmarkKey, Key, Service, Timeouts
from tests.tables import keys

SERVER = RealServer(
    ip_address("2001:db8::1"),
    80,
    Forwarding.TUN,
    checks=(
        Check(HttpProbe(headers=(("X-A", "b"),), status=((200, 204),)), ip_address("10.0.0.1"), 80),
    ),
)
SERVICE = VirtualService("web", Service(FwmarkKey(Family.IPV6, 7)), (SERVER,))
ROUTER = VirtualRouter("r", 51, "eth0", Family.IPV4, 150, (ip_interface("10.0.0.9/32"),))

MESSAGES = [
    Configure(3, DirectorPlan("c", "n", (SERVICE,), timeouts=Timeouts(900), api=("::1", 9817))),
    Configure(4, DirectorPlan("c", "n", (), sysctls={"net.ipv4.vs.conntrack": "1"})),
    Configure(5, VrrpPlan("c", "n", (ROUTER,))),
    Configured(3),
    Stop(),
    VrrpStatus((RouterStatus("r", 51, "eth0", "MASTER", 150, 150, None, 1.5, ("10.0.0.9/32",)),)),
    Processes(1, 2, 3),
    ReloadRequested(1),
    ReloadDone(1, 2, "web.yaml:1:1: no"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_is_one_line_and_comes_back_equal(message):
    line = to_line(message)
    assert line.count(b"\n") == 1
    assert from_line(line) == message


@given(keys)
def test_every_key_survives_being_written_down(key):
    assert decode(Key, encode(key)) == key


def test_probes_of_different_kinds_stay_different():
    assert decode(Check, encode(Check(TcpProbe(), ip_address("10.0.0.1"), 80))).probe == TcpProbe()


@pytest.mark.parametrize("line", [b"", b"{", b"[]", b'{"type": "Nothing"}', b"7"])
def test_a_line_that_is_no_message_is_refused(line):
    with pytest.raises((KeyError, TypeError, ValueError)):
        from_line(line)
