"""Detours of checks `via: vip` in a director's table, on twins: they come and go with them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address

import pytest

from lvsha.cli import plans
from lvsha.core import desired
from lvsha.core.commands import DeleteService
from lvsha.core.detour import Detour, Origin
from lvsha.core.health import Health, Measured, Outcome, ProbeResult
from lvsha.core.messages import Configure, Configured
from lvsha.core.plan import Check
from lvsha.core.probes import TcpProbe
from lvsha.core.through import Here, detour_services, laid, settings
from lvsha.core.types import Forwarding, ServiceKey
from lvsha.director.ownership import Ownership
from lvsha.kernel.memory import MemoryIpvs
from lvsha.lab.nodes import wait_for
from tests.shell.test_director import KEY, PLAN, WEB, running, server

HERE = Here(ip_address("192.0.2.11"), "eth0", {})


def asked_at_the_vip(address: str):
    """A real server checked so; nobody answers, and nobody is waited for."""
    detour = Detour(ip_address(address), Forwarding.DR)
    check = Check(TcpProbe(), KEY.address, 80, 600.0, 600.0, origin=Origin(detour=detour))
    return server(address, check)


VIA = replace(WEB, real_servers=(asked_at_the_vip("10.0.0.1"), asked_at_the_vip("10.0.0.2")))
SERVICES = laid((VIA,), HERE)
LAID = replace(PLAN, services=SERVICES, sysctls=settings(SERVICES))
DETOURS = {each.key: each for each in detour_services(LAID.services)}


def found(ipvs: MemoryIpvs) -> dict:
    """Services by firewall mark, with their destinations."""
    return {
        key: [str(each) for each in entry.destinations]
        for key, entry in ipvs.table().items()
        if not isinstance(key, ServiceKey)
    }


WANTED = {key: [f"{each.servers[0]}"] for key, each in DETOURS.items()}


async def test_detours_come_with_their_checks_and_go_with_them(tmp_path):
    async with running(tmp_path) as at:
        at.tell(Configure(1, LAID))
        await at.supervisor.hears(Configured(1))
        assert found(at.ipvs) == WANTED
        assert sorted(WANTED.values()) == [["10.0.0.1:0"], ["10.0.0.2:0"]]
        at.tell(Configure(2, PLAN))
        await at.supervisor.hears(Configured(2))
        assert found(at.ipvs) == {}
        assert Ownership(tmp_path).keys == {KEY}


async def test_a_detour_stays_whatever_its_server_is_believed_to_be(tmp_path):
    async with running(tmp_path) as at:
        at.tell(Configure(1, LAID))
        await at.supervisor.hears(Configured(1))
        (check, _) = [check for each in LAID.services[0].servers for check in each.checks]
        down = ProbeResult(Outcome.FAIL, "no answer", 0.0, 0.0)
        at.director._judged(check, Health(), Health(Measured.DOWN, message="no answer"), down)
        at.director._table.settle()
        await at.director._table.resync()
        assert found(at.ipvs) == WANTED


async def test_one_deleted_by_hand_comes_back(tmp_path):
    async with running(tmp_path) as at:
        at.tell(Configure(1, LAID))
        await at.supervisor.hears(Configured(1))
        at.ipvs.apply([DeleteService(next(iter(WANTED)))])
        await asyncio.to_thread(wait_for, "it", lambda: found(at.ipvs) == WANTED, 5)


async def test_status_tells_of_no_detour_and_of_the_setting(tmp_path):
    async with running(tmp_path) as at:
        at.tell(Configure(1, LAID))
        await at.supervisor.hears(Configured(1))
        status = await at.director.status()
    assert [each["name"] for each in status["virtual_services"]] == ["web"]
    assert "net.ipv4.conf.eth0.accept_local" in [each["name"] for each in status["settings"]]


async def test_plan_beside_the_daemon_has_nothing_to_do(tmp_path):
    async with running(tmp_path) as at:
        at.tell(Configure(1, LAID))
        await at.supervisor.hears(Configured(1))

        def look() -> list[str]:
            owned = Ownership(tmp_path).keys
            return list(plans.changes(LAID, owned, at.ipvs, plans._view(tmp_path)))

        assert await asyncio.to_thread(look) == []


def test_plan_before_a_start_shows_them_as_they_will_be():
    lines = list(plans.changes(LAID, set(), MemoryIpvs(), desired.View(desired.all_up)))
    for key, (destination,) in WANTED.items():
        assert f"-A -f {key.mark} -s rr" in lines
        assert f"-a -f {key.mark} -r {destination} -g -w 1" in lines


async def test_the_next_director_takes_them_as_they_are(tmp_path, caplog):
    async with running(tmp_path) as at:
        at.tell(Configure(1, LAID))
        await at.supervisor.hears(Configured(1))
        ipvs = at.ipvs
    caplog.set_level("INFO", logger="lvsha")
    async with running(tmp_path, lambda: ipvs) as at:
        at.tell(Configure(1, LAID))
        await at.supervisor.hears(Configured(1))
    assert found(ipvs) == WANTED
    assert not [each for each in caplog.records if each.getMessage() == "ipvs.applied"]


@pytest.mark.parametrize("address", ["10.0.0.1", "10.0.0.2"])
async def test_nothing_is_asked_while_the_kernel_has_no_detour(tmp_path, address):
    def refuse():
        raise OSError("no ip_vs")

    async with running(tmp_path, refuse) as at:
        at.tell(Configure(1, LAID))
        what = "this machine's IPVS has no detour by"

        async def message() -> str:
            (web,) = (await at.director.status())["virtual_services"] or [None]
            (server,) = (each for each in web["real_servers"] if each["address"] == address)
            return server["message"]

        async with asyncio.timeout(10):
            while not (await at.director.status())["virtual_services"]:
                await asyncio.sleep(0.01)
            while await message() != f"{what} {address}":
                await asyncio.sleep(0.01)
