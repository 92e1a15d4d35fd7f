"""`lvsha status` of services that are no plain address and port, as JSON and for a person."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from lvsha.cli import show
from lvsha.core.messages import Configure, Configured
from lvsha.core.plan import RealServer, VirtualService
from lvsha.core.types import Family, Forwarding, FwmarkKey, Service
from tests.shell.test_director import PLAN, WEB, running

TUNNELLED = RealServer(ip_address("10.0.0.3"), 8080, Forwarding.TUN)
MARKED = VirtualService("marked", Service(FwmarkKey(Family.IPV4, 7)), WEB.real_servers)
MIXED = replace(WEB, real_servers=(*WEB.real_servers, TUNNELLED))
EMPTY = replace(WEB, real_servers=())


async def status_of(directory, service: VirtualService):
    async with running(directory) as at:
        at.tell(Configure(1, replace(PLAN, services=(service,))))
        await at.supervisor.hears(Configured(1))
        code, found = await at.ask("GET", "/status")
    assert code == 200
    return found


def shown(found, capsys) -> list[str]:
    """The lines a person sees from the service's own on."""
    show.status(found)
    text = capsys.readouterr().out
    return text[text.index(found["virtual_services"][0]["name"] + "  ") :].splitlines()


async def test_a_fwmark_service_has_a_mark_and_neither_protocol_address_nor_port(tmp_path, capsys):
    found = await status_of(tmp_path, MARKED)
    (service,) = found["virtual_services"]
    named = {name: service[name] for name in ("protocol", "address", "port", "fwmark")}
    assert named == {"protocol": None, "address": None, "port": None, "fwmark": 7}
    assert service["state"] == "UP"
    assert [(s["address"], s["port"]) for s in service["real_servers"]] == [
        ("10.0.0.1", 80),
        ("10.0.0.2", 80),
    ]
    assert [each["effective_weight"] for each in service["real_servers"]] == [1, 3]
    assert shown(found, capsys)[0].rstrip() == "marked  FWM 7  UP  wlc dr"


async def test_an_address_service_has_no_mark(tmp_path, capsys):
    found = await status_of(tmp_path, WEB)
    (service,) = found["virtual_services"]
    named = {name: service[name] for name in ("protocol", "address", "port", "fwmark")}
    assert named == {"protocol": "tcp", "address": "192.0.2.1", "port": 80, "fwmark": None}
    assert shown(found, capsys)[0].rstrip() == "web  TCP 192.0.2.1:80  UP  wlc dr"


async def test_servers_reached_in_different_ways_are_called_mixed_and_each_says_its_own(
    tmp_path, capsys
):
    found = await status_of(tmp_path, MIXED)
    (service,) = found["virtual_services"]
    assert service["forwarding"] == "mixed"
    assert [each["forwarding"] for each in service["real_servers"]] == ["dr", "dr", "tun"]
    assert shown(found, capsys)[0].rstrip().endswith("wlc mixed")


async def test_a_service_without_servers_is_down_and_has_no_way_to_reach_them(tmp_path, capsys):
    found = await status_of(tmp_path, EMPTY)
    (service,) = found["virtual_services"]
    assert (service["forwarding"], service["real_servers"], service["state"]) == (None, [], "DOWN")
    assert shown(found, capsys)[0].rstrip() == "web  TCP 192.0.2.1:80  DOWN  wlc"
