"""Loading a tunnel module: one clear line where it can't be had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from lvsha.errors import HostError
from lvsha.kernel.modules import Host, Outcome
from lvsha.kernel.tunnels import load_tunnel


def host(outcome: Outcome, asked: list[Sequence[str]]) -> Host:
    def run(command: Sequence[str]) -> Outcome:
        asked.append(command)
        return outcome

    return replace(Host.here(), release="6.1.0", modprobe="/sbin/modprobe", run=run)


def test_modprobe_is_asked_for_the_module() -> None:
    asked: list[Sequence[str]] = []
    load_tunnel("ipip", host(Outcome(0), asked))
    assert asked == [("/sbin/modprobe", "ipip")]


def test_a_kernel_without_the_module_is_named_with_modprobes_own_words() -> None:
    words = "ipip: kernel 6.1.0 does not load it: Module ipip not found"
    with pytest.raises(HostError) as caught:
        load_tunnel("ipip", host(Outcome(1, "modprobe: FATAL: Module ipip not found"), []))
    assert str(caught.value) == words


def test_a_machine_without_modprobe_is_told_what_to_install() -> None:
    with pytest.raises(HostError, match=r"^ipip: not loaded, .*: install kmod$"):
        load_tunnel("ipip", replace(Host.here(), modprobe=None))
