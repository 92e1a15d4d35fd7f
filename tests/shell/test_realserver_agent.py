"""The real server's agent on the in-memory twins of its machine."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_interface
from pathlib import Path

import pytest

from lvsha.core.plan import LoopbackAddress, RealServerPlan
from lvsha.core.types import Forwarding
from lvsha.errors import HostError, KernelError
from lvsha.kernel.memory_host import MemoryAddresses, MemorySysctls, host_settings
from lvsha.realserver import agent
from lvsha.realserver.machine import Machine, this_machine

VIP, OTHER = ip_interface("192.0.2.100/32"), ip_interface("192.0.2.101/32")
ARP_IGNORE = "net.ipv4.conf.all.arp_ignore"


class Twin:
    """A machine in memory; loading a tunnel module makes its interface."""

    def __init__(self) -> None:
        self.addresses = MemoryAddresses("eth0")
        self.settings = host_settings("eth0")
        self.sysctls = MemorySysctls(self.settings)
        self.machine = Machine(self.addresses, self.sysctls, self.load)
        self.can_load = True

    def load(self, module: str) -> None:
        if not self.can_load:
            raise HostError(f"{module}: kernel test does not load it: not found")
        self.addresses.plug("tunl0", up=False)
        self.sysctls.add(host_settings("tunl0"))


@pytest.fixture
def twin() -> Twin:
    return Twin()


SERVER = ip_address("192.0.2.21")


def plan(*vips: str, forwarding: Forwarding = Forwarding.DR) -> RealServerPlan:
    places = tuple(LoopbackAddress(ip_address(vip), forwarding, SERVER) for vip in vips)
    return RealServerPlan("web", places)


ONE = plan("192.0.2.100")


async def test_up_then_check_then_down(twin: Twin, tmp_path: Path) -> None:
    """`check` sees what `up` would do, `up` does it, `down` undoes it to the last item."""
    before = await agent.check(ONE, twin.machine, tmp_path)
    assert before[-1] == "192.0.2.100/32 on lo is absent, wanted present"
    changed = await agent.up(ONE, twin.machine, tmp_path)
    assert changed[0] == "net.ipv4.conf.all.arp_ignore: 0 to 1"
    assert changed[-1] == "192.0.2.100/32 on lo: absent to present"
    assert await twin.addresses.addresses("lo") == (VIP,)
    assert await agent.check(ONE, twin.machine, tmp_path) == ()
    assert await agent.up(ONE, twin.machine, tmp_path) == ()
    await agent.down(twin.machine, tmp_path)
    assert await twin.addresses.addresses("lo") == ()
    assert {name: twin.sysctls.read(name) for name in twin.settings} == twin.settings
    assert list(tmp_path.iterdir()) == []


async def test_what_was_found_first_survives_later_ups(twin: Twin, tmp_path: Path) -> None:
    twin.sysctls.write(ARP_IGNORE, "2")
    await agent.up(ONE, twin.machine, tmp_path)
    await agent.up(plan("192.0.2.100", "192.0.2.101"), twin.machine, tmp_path)
    await agent.up(plan("192.0.2.101"), twin.machine, tmp_path)
    assert await twin.addresses.addresses("lo") == (OTHER,)
    await agent.down(twin.machine, tmp_path)
    assert await twin.addresses.addresses("lo") == ()
    assert twin.sysctls.read(ARP_IGNORE) == "2"


async def test_an_address_that_was_there_before_us_stays(twin: Twin, tmp_path: Path) -> None:
    await twin.addresses.add("lo", VIP)
    await agent.up(plan("192.0.2.100", "192.0.2.101"), twin.machine, tmp_path)
    await agent.down(twin.machine, tmp_path)
    assert await twin.addresses.addresses("lo") == (VIP,)


async def test_what_was_found_is_on_disk_before_anything_changes(twin, tmp_path) -> None:
    twin.sysctls.refuse(ARP_IGNORE, errno.EROFS)
    with pytest.raises(KernelError, match=r"^net\.ipv4\.conf\.all\.arp_ignore: ") as caught:
        await agent.up(ONE, twin.machine, tmp_path)
    assert caught.value.errno == errno.EROFS
    data = json.loads((tmp_path / "realserver.json").read_text())
    assert [{"type": "Setting", "interface": "all", "name": "arp_ignore"}, "0"] in data["found"]


async def test_without_its_arp_settings_the_vip_is_not_added(twin, tmp_path) -> None:
    twin.sysctls.refuse("net.ipv4.conf.lo.arp_announce", errno.EACCES)
    with pytest.raises(KernelError):
        await agent.up(ONE, twin.machine, tmp_path)
    assert await twin.addresses.addresses("lo") == ()
    await agent.down(twin.machine, tmp_path)
    assert twin.sysctls.read(ARP_IGNORE) == "0"


async def test_down_without_an_up_does_nothing(twin: Twin, tmp_path: Path) -> None:
    await twin.addresses.add("lo", VIP)
    assert await agent.down(twin.machine, tmp_path / "missing") == ()
    assert await twin.addresses.addresses("lo") == (VIP,)


async def test_ipv6_already_there_with_another_prefix_is_enough(twin, tmp_path) -> None:
    """The kernel takes an IPv6 address once on a link, whatever its prefix."""
    await twin.addresses.add("lo", ip_interface("2001:db8::100/64"))
    assert await agent.up(plan("2001:db8::100"), twin.machine, tmp_path) == ()


async def test_a_tunnel_module_is_loaded_and_the_device_restored(twin, tmp_path) -> None:
    tunnel = plan("192.0.2.100", forwarding=Forwarding.TUN)
    assert "tunl0 is missing, wanted up" in await agent.check(tunnel, twin.machine, tmp_path)
    await agent.up(tunnel, twin.machine, tmp_path)
    assert await twin.addresses.addresses("tunl0") == (VIP,)
    assert twin.sysctls.read("net.ipv4.conf.tunl0.rp_filter") == "2"
    assert (await twin.addresses.link("tunl0")).up
    await agent.down(twin.machine, tmp_path)
    assert await twin.addresses.addresses("tunl0") == ()
    assert twin.sysctls.read("net.ipv4.conf.tunl0.rp_filter") == "0"
    assert not (await twin.addresses.link("tunl0")).up


async def test_a_missing_tunnel_module_stops_up_before_it_changes_anything(twin, tmp_path) -> None:
    twin.can_load = False
    with pytest.raises(HostError, match="ipip: kernel test does not load it"):
        await agent.up(plan("192.0.2.100", forwarding=Forwarding.TUN), twin.machine, tmp_path)
    assert twin.sysctls.read(ARP_IGNORE) == "0"
    assert list(tmp_path.iterdir()) == []


async def test_a_namespace_without_the_tunnel_interface_is_told_where_to_look(twin, tmp_path):
    machine = Machine(twin.addresses, twin.sysctls, lambda module: None)
    with pytest.raises(HostError, match=r"^tunl0: .*fb_tunnels_only_for_init_net"):
        await agent.up(plan("192.0.2.100", forwarding=Forwarding.TUN), machine, tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"found": [[{"type": "Nonsense"}, "0"]]}'])
async def test_an_unreadable_memory_of_what_was_found_changes_nothing(twin, tmp_path, text) -> None:
    (tmp_path / "realserver.json").write_text(text)
    with pytest.raises(HostError, match=r"realserver\.json: not what lvsha wrote"):
        await agent.up(ONE, twin.machine, tmp_path)
    assert await twin.addresses.addresses("lo") == ()


async def test_not_root_is_one_clear_line(monkeypatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(HostError, match=r"^must be root to change addresses and kernel settings$"):
        async with this_machine(writing=True):
            pass


@asynccontextmanager
async def running(twin: Twin, runtime_dir: Path) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(agent.run(ONE, twin.machine, runtime_dir))
    while await twin.addresses.addresses("lo") != (VIP,):
        await asyncio.sleep(0.01)
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def lines(monkeypatch) -> list[tuple[str, dict[str, object]]]:
    """The log, an event and its fields each."""
    written: list[tuple[str, dict[str, object]]] = []
    for level in ("info", "warning", "error"):
        monkeypatch.setattr(
            agent.log, level, lambda event, **fields: written.append((event, fields))
        )
    return written


@pytest.mark.looptime
async def test_an_address_taken_away_is_back_at_once_and_said_once(twin, tmp_path, lines) -> None:
    async with running(twin, tmp_path):
        await twin.addresses.remove("lo", VIP)
        await asyncio.sleep(agent.CHECK_INTERVAL / 10)
        assert await twin.addresses.addresses("lo") == (VIP,)
        await asyncio.sleep(agent.CHECK_INTERVAL * 3)
    drift = ("realserver.drift", {"differed": ["192.0.2.100/32 on lo is absent, wanted present"]})
    assert [event for event, _ in lines] == ["realserver.applied", "realserver.drift"]
    assert lines[1] == drift


@pytest.mark.looptime
async def test_a_changed_setting_is_found_within_the_interval(twin, tmp_path, lines) -> None:
    async with running(twin, tmp_path):
        twin.sysctls.write(ARP_IGNORE, "0")
        await asyncio.sleep(agent.CHECK_INTERVAL * 1.5)
        assert twin.sysctls.read(ARP_IGNORE) == "1"
    assert lines[1:] == [
        ("realserver.drift", {"differed": ["net.ipv4.conf.all.arp_ignore is 0, wanted 1"]})
    ]


@pytest.mark.looptime
async def test_a_drift_that_cannot_be_repaired_is_said_once_and_tried_again(twin, tmp_path, lines):
    async with running(twin, tmp_path):
        twin.sysctls.write(ARP_IGNORE, "0")
        twin.sysctls.refuse(ARP_IGNORE, errno.EROFS)
        await asyncio.sleep(agent.CHECK_INTERVAL * 5)
        assert [event for event, _ in lines[1:]] == ["kernel.error"]
        twin.sysctls.refuse(ARP_IGNORE, 0)
        await asyncio.sleep(agent.CHECK_INTERVAL * 2)
        assert twin.sysctls.read(ARP_IGNORE) == "1"
    assert [event for event, _ in lines[2:]] == ["realserver.drift"]


async def test_sigterm_ends_run_and_leaves_everything_in_place(twin: Twin, tmp_path: Path) -> None:
    async with running(twin, tmp_path) as task:
        await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(task, 5)
    assert await twin.addresses.addresses("lo") == (VIP,)
    assert twin.sysctls.read(ARP_IGNORE) == "1"
    assert (tmp_path / "realserver.json").exists()
