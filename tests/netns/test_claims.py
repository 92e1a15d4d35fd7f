"""Who answers for an address on a link: asked of a real neighbour, with real ARP and ND."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address

import pytest

from lvsha.kernel.claims import LinkClaims
from lvsha.lab.nodes import wait_for
from lvsha.lab.topology import FRONT, REAL_SERVER, VIRTUAL, Lab, Namespace, cluster

pytestmark = pytest.mark.netns

VIP4, VIP6 = (each.ip for each in FRONT.addresses(VIRTUAL))
SERVER4, SERVER6 = (each.ip for each in FRONT.addresses(REAL_SERVER))
OTHER4, OTHER6 = (each.ip for each in FRONT.addresses(REAL_SERVER + 1))
OWN4, OWN6 = (each.ip for each in FRONT.addresses(11))


class Place:
    """A director that asks, a server with the addresses on lo, another without."""

    def __init__(self, director: Namespace, server: Namespace, claims: LinkClaims) -> None:
        self.director = director
        self.server = server
        self.claims = claims

    def knows(self) -> None:
        """The director's kernel has both servers' MAC addresses."""
        for address in (SERVER4, SERVER6, OTHER4, OTHER6):
            self.director.run("ping", "-c1", "-W2", str(address))

    def claims_it(self, server, vip, own) -> bool:
        """Whether an answer comes: the others' silence is heard by asking the server itself."""
        question = self.claims.ask("eth0", server, vip, own)
        assert question is not None
        sure = self.claims.ask("eth0", server, server, own)
        assert sure is not None
        wait_for("the server's own address", lambda: self.claims.has_answered(sure), 10)
        return self.claims.has_answered(question)


@pytest.fixture(scope="module")
def standing() -> Iterator[Place]:
    with Lab() as lab:
        machines = cluster(lab, directors=1, real_servers=2)
        (director,), (server, _) = machines.directors, machines.real_servers
        server.ip(f"address add {VIP4}/32 dev lo", f"address add {VIP6}/128 dev lo")
        with director.entered():
            claims = LinkClaims()
            yield Place(director, server, claims)
            claims.close()


@contextmanager
def setting(machine: Namespace, name: str, value: int) -> Iterator[None]:
    machine.sysctl(name, value)
    yield
    machine.sysctl(name, 0)


def test_a_server_nobody_has_spoken_to_can_not_be_asked(standing):
    assert standing.claims.ask("eth0", ip_address("192.168.1.99"), VIP4, OWN4) is None


def test_a_link_that_is_not_there_can_not_be_asked(standing):
    assert standing.claims.ask("eth7", SERVER4, VIP4, OWN4) is None


def test_a_server_with_usual_settings_claims_what_is_on_its_loopback(standing):
    standing.knows()
    assert standing.claims_it(SERVER4, VIP4, OWN4)


def test_one_that_ignores_such_questions_does_not(standing):
    standing.knows()
    with setting(standing.server, "net.ipv4.conf.all.arp_ignore", 1):
        assert not standing.claims_it(SERVER4, VIP4, OWN4)


def test_one_without_the_address_does_not(standing):
    standing.knows()
    assert not standing.claims_it(OTHER4, VIP4, OWN4)
    assert not standing.claims_it(OTHER6, VIP6, OWN6)


def test_ipv6_on_loopback_is_claimed_by_nobody_and_on_the_interface_it_is(standing):
    standing.knows()
    assert not standing.claims_it(SERVER6, VIP6, OWN6)
    standing.server.ip(f"address add {VIP6}/128 dev eth0 nodad")
    assert standing.claims_it(SERVER6, VIP6, OWN6)
    standing.server.ip(f"address delete {VIP6}/128 dev eth0")


def test_no_cache_of_the_neighbours_changes(standing):
    standing.knows()
    standing.claims_it(SERVER4, VIP4, OWN4)
    assert str(VIP4) not in standing.director.run("ip", "-4", "neigh", "show")
    assert "0.0.0.0" not in standing.server.run("ip", "-4", "neigh", "show")


def test_a_link_made_anew_is_asked_anew(standing):
    standing.server.ip("address add 192.168.7.2/24 dev eth0")
    peer, own = ip_address("192.168.7.2"), ip_address("192.168.7.1")
    for _ in range(2):
        standing.director.ip(
            "link add link eth0 name eth1 type macvlan mode bridge",
            "link set eth1 up",
            "address add 192.168.7.1/24 dev eth1",
        )
        standing.director.run("ping", "-c1", "-W2", str(peer))
        wait_for("a question", lambda: standing.claims.ask("eth1", peer, peer, own), 10)
        question = standing.claims.ask("eth1", peer, peer, own)
        wait_for("an answer", lambda asked=question: standing.claims.has_answered(asked), 10)
        standing.director.ip("link delete eth1")
    standing.server.ip("address delete 192.168.7.2/24 dev eth0")
