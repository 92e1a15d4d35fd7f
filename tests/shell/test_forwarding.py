"""A director's kernel settings, on the in-memory twin."""

from __future__ import annotations

import errno

from lvsha.core.types import Family
from lvsha.director.forwarding import Outcome, apply, apply_settings
from lvsha.kernel.memory_host import MemorySysctls, host_settings

ALL = "net.ipv6.conf.all.forwarding"
BOTH = frozenset((Family.IPV4, Family.IPV6))


def test_ipv4_forwarding_is_set_and_said_once() -> None:
    sysctls = MemorySysctls(host_settings("eth0"))
    first = apply(frozenset((Family.IPV4,)), sysctls)
    assert first == Outcome(("net.ipv4.ip_forward set to 1 (was 0)",))
    assert sysctls.read("net.ipv4.ip_forward") == "1"
    assert sysctls.read(ALL) == "0"
    assert apply(frozenset((Family.IPV4,)), sysctls) == Outcome()


def test_nothing_is_touched_without_nat() -> None:
    sysctls = MemorySysctls(host_settings("eth0"))
    assert apply(frozenset(), sysctls) == Outcome()
    assert sysctls.read("net.ipv4.ip_forward") == "0"


def test_interfaces_that_take_router_advertisements_go_on_taking_them() -> None:
    sysctls = MemorySysctls(host_settings("eth0", "eth1", "eth0.7"))
    sysctls.write("net.ipv6.conf.eth1.accept_ra", "0")
    outcome = apply(frozenset((Family.IPV6,)), sysctls)
    assert outcome.changed == (
        "net.ipv6.conf.eth0.accept_ra set to 2 (was 1)",
        "net.ipv6.conf.eth0/7.accept_ra set to 2 (was 1)",
        "net.ipv6.conf.all.forwarding set to 1 (was 0)",
    )
    assert sysctls.read("net.ipv6.conf.eth1.accept_ra") == "0"
    assert sysctls.read("net.ipv6.conf.lo.accept_ra") == "1"


def test_an_interface_that_forwarded_already_took_none_and_is_left_alone() -> None:
    sysctls = MemorySysctls(host_settings("eth0"))
    sysctls.write("net.ipv6.conf.eth0.forwarding", "1")
    apply(BOTH, sysctls)
    assert sysctls.read("net.ipv6.conf.eth0.accept_ra") == "1"


def test_ipv6_forwarding_waits_while_an_interface_would_lose_its_advertisements() -> None:
    sysctls = MemorySysctls(host_settings("eth0", "eth1"))
    sysctls.refuse(("net", "ipv6", "conf", "eth0", "accept_ra"), errno.EACCES)
    outcome = apply(BOTH, sysctls)
    assert [error.errno for error in outcome.errors] == [errno.EACCES]
    assert sysctls.read(ALL) == "0"
    assert "net.ipv6.conf.eth1.accept_ra set to 2 (was 1)" in outcome.changed


def test_forwarding_switched_off_by_somebody_is_switched_on_again() -> None:
    sysctls = MemorySysctls(host_settings("eth0"))
    apply(BOTH, sysctls)
    sysctls.write(ALL, "0")
    assert apply(BOTH, sysctls).changed == (f"{ALL} set to 1 (was 0)",)


def test_a_kernel_without_ipv6_is_an_error_not_a_crash() -> None:
    outcome = apply(BOTH, MemorySysctls({"net.ipv4.ip_forward": "0"}))
    assert outcome.changed == ("net.ipv4.ip_forward set to 1 (was 0)",)
    assert [error.errno for error in outcome.errors] == [errno.ENOENT]


def test_a_refused_setting_of_the_file_does_not_stop_the_others() -> None:
    sysctls = MemorySysctls({"net.ipv4.vs.a": "0", "net.ipv4.vs.b": "3 50", "net.ipv4.vs.c": "7"})
    sysctls.hold("net.ipv4.vs.a")
    settings = {"net.ipv4.vs.a": "1", "net.ipv4.vs.b": "3  50", "net.ipv4.vs.c": "8", "x.y": "1"}
    outcome = apply_settings(settings, sysctls)
    assert outcome.changed == ("net.ipv4.vs.c set to 8 (was 7)",)
    assert [str(error) for error in outcome.errors] == [
        "net.ipv4.vs.a: wrote 1, the kernel kept 0",
        "x.y: No such file or directory",
    ]
