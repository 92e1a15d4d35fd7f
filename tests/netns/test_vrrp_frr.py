"""lvsha and FRR's vrrpd on one segment, started by hand from its binaries: each as master.

FRR carries an address by an interface of its own with the router's MAC, which is up on the master.
"""

from __future__ import annotations

import subprocess
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from lvsha.core.types import Family
from tests.netns.kinds import Kind
from tests.netns.segment import PATIENCE, Host, Lvsha, eventually, segment

DAEMONS = Path("/usr/lib/frr")

pytestmark = [
    pytest.mark.netns,
    pytest.mark.long,
    pytest.mark.skipif(not (DAEMONS / "vrrpd").exists(), reason="needs the package frr"),
]

MACS = {Family.IPV4: "00:00:5e:00:01:33", Family.IPV6: "00:00:5e:00:02:33"}


class Frr:
    """zebra and vrrpd in a namespace, with a /run of their own."""

    def __init__(self, host: Host, kind: Kind, priority: int) -> None:
        self.host = host
        self._lay_interface(kind)
        configuration = host.directory / f"{host.namespace}-frr.conf"
        configuration.write_text(_configuration(kind, priority))
        common = "-u frr -g frr -f /run/frr/conf -z /run/frr/z --vty_socket /run/frr"
        script = (
            "mount -t tmpfs none /run && mkdir /run/frr && "
            f"cp {configuration} /run/frr/conf && chown -R frr:frr /run/frr || exit 1; "
            f"{DAEMONS}/zebra {common} -i /run/frr/1 & "
            "while ! test -S /run/frr/z; do sleep 0.05; done; "
            f"exec {DAEMONS}/vrrpd {common} -i /run/frr/2"
        )
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", host.namespace, "unshare", "-m", "sh", "-c", script],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def _lay_interface(self, kind: Kind) -> None:
        sh = self.host.sh
        sh("ip link add vrrp link eth0 type macvlan mode bridge")
        sh(f"ip link set vrrp address {MACS[kind.family]} addrgenmode random")
        for vip in kind.vips:
            bits = 32 if kind.family is Family.IPV4 else 128
            sh(f"ip addr add {vip}/{bits} dev vrrp" + (" nodad" if bits == 128 else ""))
        sh("ip link set vrrp up")

    @property
    def is_master(self) -> bool:
        return " UP " in self.host.sh("ip -br addr show dev vrrp")

    def stop(self) -> None:
        """vrrpd has the shell's pid; zebra is left for `close`."""
        self.process.terminate()
        self.process.wait(PATIENCE)

    def close(self) -> None:
        if self.process.poll() is None:
            self.stop()
        for pid in self.host.sh(f"ip netns pids {self.host.namespace}").split():
            subprocess.run(["kill", pid], check=False, capture_output=True)
        time.sleep(0.2)


def _configuration(kind: Kind, priority: int) -> str:
    family = "ip" if kind.family is Family.IPV4 else "ipv6"
    return "\n".join(
        [
            "interface eth0",
            "vrrp 51 version 3",
            f"vrrp 51 priority {priority}",
            f"vrrp 51 advertisement-interval {kind.interval * 1000:.0f}",
            *(f"vrrp 51 {family} {vip}" for vip in kind.vips),
            "",
        ]
    )


@pytest.fixture
def place(tmp_path):
    with segment(tmp_path) as made:
        yield made


@pytest.mark.parametrize("family", list(Family), ids=["IPv4", "IPv6"])
def test_lvsha_follows_frr_and_takes_over_when_it_stops(place, family):
    kind = Kind(3, family, 0.1)
    with ExitStack() as peers:
        frr = peers.enter_context(closing(Frr(place.two, kind, 150)))
        eventually("FRR advertises", lambda: place.adverts(MACS[family]))
        lvsha = peers.enter_context(closing(Lvsha(place.one, kind.router(place.one, 100))))
        eventually("follows", lambda: lvsha.is_("BACKUP") and lvsha.status().peers)
        (peer,) = lvsha.status().peers
        assert (peer.priority, peer.interval) == (150, 0.1)
        frr.stop()
        eventually("master", lambda: lvsha.is_("MASTER") and place.one.holds(*kind.vips))


@pytest.mark.parametrize("family", list(Family), ids=["IPv4", "IPv6"])
def test_frr_yields_to_lvsha_and_takes_over_when_it_stops_or_dies(place, family):
    kind = Kind(3, family, 0.1)
    with ExitStack() as peers:
        frr = peers.enter_context(closing(Frr(place.two, kind, 100)))
        eventually("FRR advertises", lambda: place.adverts(MACS[family]))
        lvsha = peers.enter_context(closing(Lvsha(place.one, kind.router(place.one, 150))))
        eventually("master", lambda: lvsha.is_("MASTER") and place.one.holds(*kind.vips))
        eventually("FRR yields", lambda: not frr.is_master)
        lvsha.stop()
        eventually("FRR is master", lambda: frr.is_master)
        again = peers.enter_context(closing(Lvsha(place.one, kind.router(place.one, 150))))
        eventually("FRR yields", lambda: not frr.is_master)
        place.one.unplug()
        again.kill()
        eventually("FRR is master", lambda: frr.is_master)
