"""Kernel settings: what is true of /proc/sys is true of its twin."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from lvsha.errors import KernelError
from lvsha.kernel.memory_host import MemorySysctls, host_settings
from lvsha.kernel.ports import Sysctls
from lvsha.kernel.sysctls import KernelSysctls
from tests.network import own_network, run

ARP_IGNORE = "net.ipv4.conf.lo.arp_ignore"
DOTTED = ("net", "ipv4", "conf", "v0.7", "rp_filter")


@pytest.fixture(params=["memory", pytest.param("kernel", marks=pytest.mark.netns)])
def sysctls(request: pytest.FixtureRequest) -> Iterator[Sysctls]:
    if request.param == "memory":
        yield MemorySysctls(host_settings("v0.7"))
        return
    with own_network():
        run("ip link add v0.7 type veth peer name v1")
        yield KernelSysctls()


def test_a_written_value_is_read_back(sysctls: Sysctls) -> None:
    for value in ("1", "0"):
        sysctls.write(ARP_IGNORE, value)
        assert sysctls.read(ARP_IGNORE) == value


def test_an_interface_name_with_dots_is_reached_by_parts(sysctls: Sysctls) -> None:
    sysctls.write(DOTTED, "2")
    assert sysctls.read(DOTTED) == "2"


def test_a_missing_setting_is_enoent_and_named(sysctls: Sysctls) -> None:
    for operation in (sysctls.read, lambda name: sysctls.write(name, "1"), sysctls.names):
        with pytest.raises(KernelError, match=r"^net\.ipv4\.conf\.v9\.arp_ignore: ") as caught:
            operation("net.ipv4.conf.v9.arp_ignore")
        assert caught.value.errno == errno.ENOENT


def test_names_lists_what_stands_below(sysctls: Sysctls) -> None:
    assert {"all", "default", "lo", "v0.7"} <= set(sysctls.names("net.ipv6.conf"))


def test_forwarding_for_all_reaches_every_interface(sysctls: Sysctls) -> None:
    sysctls.write("net.ipv6.conf.all.forwarding", "1")
    assert sysctls.read("net.ipv6.conf.lo.forwarding") == "1"
