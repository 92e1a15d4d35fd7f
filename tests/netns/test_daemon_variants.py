"""The protocol's variants between three directors: passwords, signatures, peers, MAC addresses."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lvsha.lab.topology import CLIENT, FRONT, Namespace
from tests.netns.pair import HEAD, Node, Site, eventually, one_master, router, site, vip

pytestmark = [pytest.mark.netns, pytest.mark.timeout(120)]

NODES = HEAD.replace(
    "virtual_routers",
    "  lb3: {address: 192.168.1.13, interface: eth0, priority: 50}\nvirtual_routers",
)
VIP6 = "2001:db8:1::100"
MAC, MAC_NUMBER = "00:00:5e:00:01:05", 5
KEYS = "authentication: {{type: hmac, keys: {{{}}}, active: {}}}"
NAMES = ("unicast", "mixed", "mac", "password", "signed")
FILE = (
    NODES
    + router("unicast", 1, "unicast: true")
    + router("mixed", 2, f"excluded_addresses: [{VIP6}]")
    + router("mac", MAC_NUMBER, "virtual_mac: true")
    + router("password", 3, "version: 2, authentication: {type: pass, password: secret12}",
             interval="1s")
    + router("signed", 4, "HMAC", interval="300ms")
)  # fmt: skip


def signed(*numbers: int, active: int) -> str:
    keys = ", ".join(f"{number}: {{file: FOLDER/key{number}}}" for number in numbers)
    return FILE.replace("HMAC", KEYS.format(keys, active))


@pytest.fixture(scope="module")
def place() -> Iterator[Site]:
    with site(3) as made:
        for number in (1, 2):
            key = made.folder / f"key{number}"
            key.write_text("hex:" + f"{number:02x}" * 32)
            key.chmod(0o600)
        made.start(signed(1, active=1))
        yield made


@pytest.fixture(scope="module")
def client(place) -> Namespace:
    (made,) = place.lab.add("client")
    place.lab.plug(FRONT, [(made, CLIENT)])
    return made


@pytest.mark.parametrize("name", NAMES)
def test_of_three_the_best_is_master(place, name):
    lb1, lb2, lb3 = place.nodes
    one_master(name, lb1, lb2, lb3)
    eventually("all know", lambda: {lb2.router(name)["master"], lb3.router(name)["master"]}
               == {"192.168.1.11"})  # fmt: skip
    assert not lb1.router(name)["counters"].get("conflicts")


@pytest.mark.long
def test_when_two_of_three_die_the_last_one_takes_over(place):
    """Each time by the better of those left, with whatever belongs to a router."""
    lb1, lb2, lb3 = place.nodes
    for dead, master in ((lb1, lb2), (lb2, lb3)):
        dead.machine.link(up=False)
        for name in NAMES:
            one_master(name, master, dead)
        for number in (1, 2, 3, 4):
            eventually("its address", lambda n=number, m=master: m.holds(vip(n)))
        eventually("the excluded one", lambda master=master: master.holds(VIP6))
    for node in (lb2, lb1):
        node.machine.link(up=True)
    for name in NAMES:
        one_master(name, lb1, lb2, lb3)
    assert not lb3.holds(VIP6)


def test_a_password_is_warned_about_once(place):
    assert [len(node.told("vrrp.password", router="password")) for node in place.nodes] == [1] * 3


def test_excluded_addresses_of_the_other_family_serve_on_the_master(place, client):
    lb1, lb2, lb3 = place.nodes
    one_master("mixed", lb1, lb2, lb3)
    client.run("ping", "-6", "-c1", "-w5", VIP6)
    lb1.machine.link(up=False)
    one_master("mixed", lb2, lb1)
    eventually("it moved", lambda: lb2.holds(VIP6))
    client.run("ping", "-6", "-c1", "-w5", VIP6)
    lb1.machine.link(up=True)
    one_master("mixed", lb1, lb2, lb3)


def neighbour(client: Namespace, address: str) -> str:
    (found,) = json.loads(client.run("ip", "-j", "neigh", "show", address))
    return found["lladdr"]


def links(node: Node) -> list[str]:
    return [link["ifname"] for link in json.loads(node.machine.run("ip", "-j", "link", "show"))]


def test_a_clients_arp_entry_for_a_virtual_mac_never_changes(place, client):
    lb1, lb2, lb3 = place.nodes
    address, name = vip(MAC_NUMBER), f"vrrp.{MAC_NUMBER}"
    one_master("mac", lb1, lb2, lb3)
    client.run("ping", "-c1", "-w5", address)
    assert neighbour(client, address) == MAC
    with client.entered():
        watch = client.start("ip", "-o", "monitor", "neigh", stdout=-1)
    lb1.machine.link(up=False)
    one_master("mac", lb2, lb1)
    eventually("it moved", lambda: lb2.holds(address, name))
    client.run("ping", "-c1", "-w5", address)
    lb1.machine.link(up=True)
    one_master("mac", lb1, lb2, lb3)
    eventually("it is gone", lambda: name not in links(lb2))
    client.run("ping", "-c1", "-w5", address)
    watch.terminate()
    said = [line for line in watch.communicate()[0].decode().splitlines() if f"{address} " in line]
    assert {word for line in said for word in line.split() if word.count(":") == 5} <= {MAC}


@pytest.mark.long
def test_a_killed_daemon_leaves_no_interface_behind_once_it_runs_again(place):
    """It comes back as the least of them, and stays a backup."""
    lb1, lb2, lb3 = place.nodes
    name = f"vrrp.{MAC_NUMBER}"
    one_master("mac", lb1, lb2, lb3)
    eventually("there", lambda: name in links(lb1))
    lb1.kill_processes()
    assert name in links(lb1)
    assert lb1.holds(vip(1))
    one_master("mac", lb2, lb3)
    lb1.write(signed(1, active=1).replace("priority: 150", "priority: 10"))
    lb1.start()
    eventually("a backup", lambda: lb1.state("mac") == "BACKUP")
    eventually("its predecessor's is gone", lambda: name not in links(lb1))
    eventually("addresses, too", lambda: not lb1.holds(vip(1)) and not lb1.holds(VIP6))
    one_master("mac", lb2, lb1, lb3)
    lb1.reload(signed(1, active=1))
    for each in NAMES:
        one_master(each, lb1, lb2, lb3)


def test_a_key_is_changed_by_reloads_without_a_change_of_master(place):
    lb1, lb2, lb3 = place.nodes
    one_master("signed", lb1, lb2, lb3)
    since = [node.router("signed")["since"] for node in place.nodes]
    for text in (signed(1, 2, active=1), signed(1, 2, active=2), signed(2, active=2)):
        for node in place.nodes:
            node.reload(text)
        lb2.hears_more("signed", 5)
    assert [node.router("signed")["since"] for node in place.nodes] == since
    for node in place.nodes:
        node.reload(signed(1, active=1))


def test_a_better_node_without_the_key_changes_nothing(place):
    """It hears nobody it could believe, and nobody believes it."""
    lb1, lb2, lb3 = place.nodes
    one_master("signed", lb1, lb2, lb3)
    since = lb1.router("signed")["since"], lb2.router("signed")["since"]
    unsigned = FILE.replace(", HMAC", "").replace("priority: 50", "priority: 200")
    lb3.reload(unsigned)
    eventually("it claims the addresses", lambda: lb3.state("signed") == "MASTER")
    for node in (lb1, lb2):
        node.hears_more("signed", 4, "hmac_missing")
    assert (lb1.router("signed")["since"], lb2.router("signed")["since"]) == since
    assert (lb1.state("signed"), lb2.state("signed")) == ("MASTER", "BACKUP")
    (said,) = lb1.told("vrrp.dropped", router="signed", cause="hmac_missing")
    assert said["level"] == "warning"
    lb3.reload(signed(1, active=1))
    one_master("signed", lb1, lb2, lb3)


def test_a_key_file_others_can_read_is_refused_at_reload_and_at_the_start(place):
    lb1, *_ = place.nodes
    key = place.folder / "key1"
    where = next(
        f"{lb1.file}:{row}:{text.index('file: ') + 1}"
        for row, text in enumerate(lb1.file.read_text().splitlines(), 1)
        if "file: " in text
    )
    line = (
        f"{where}: virtual_routers[4].authentication.keys.1.file: "
        f"{key}: others have access to it: mode 0640\n"
    )
    generation = lb1.status()["generation"]
    key.chmod(0o640)
    try:
        done = lb1.command("reload")
        assert (done.returncode, done.stderr) == (2, line)
        assert lb1.status()["generation"] == generation
        words = ("--node", "lb1", "--runtime-dir", str(place.folder / "another"))
        done = lb1.command("run", *words)
        assert (done.returncode, done.stderr) == (2, line)
    finally:
        key.chmod(0o600)


def test_three_peers_over_ipv6_speak_to_each_other_alone(place):
    """By a reload to other addresses of the nodes."""
    lb1, lb2, lb3 = place.nodes
    text = NODES.replace("192.168.1.", "2001:db8:1::") + (
        "  - {name: six, virtual_router_id: 51, unicast: true, advertisement_interval: 100ms, "
        f"addresses: ['fe80::100', '{VIP6}'], excluded_addresses: [{vip(1)}]}}\n"
    )
    for node in place.nodes:
        node.reload(text)
    one_master("six", lb1, lb2, lb3)
    eventually("its addresses", lambda: all(map(lb1.holds, ("fe80::100", VIP6, vip(1)))))
    assert lb1.router("six")["master"] == "2001:db8:1::11"
    assert not any(lb1.router("six")["counters"].get(each) for each in ("peer", "destination"))
    lb1.machine.link(up=False)
    one_master("six", lb2, lb1, lb3)
    eventually("they moved", lambda: all(map(lb2.holds, ("fe80::100", VIP6, vip(1)))))
    assert lb3.router("six")["master"] == "2001:db8:1::12"
    lb1.machine.link(up=True)
    one_master("six", lb1, lb2, lb3)
