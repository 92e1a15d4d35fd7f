"""Loading IPVS: what is asked of modprobe, and the one line an operator gets where it fails."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from lvsha.errors import HostError
from lvsha.kernel import modules
from lvsha.kernel.modules import Host, Outcome, load_ipvs

FATAL = "modprobe: FATAL: Module {} not found in directory /lib/modules/6.1.0"


@dataclass
class Machine:
    """A machine with these modules to load; IPVS answers once ip_vs is loaded."""

    modules: Sequence[str] = ("ip_vs", "ip_vs_rr", "ip_vs_mh", "ip_vs_pe_sip")
    loaded: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    failure: Outcome | None = None
    answers: bool = True

    def host(self) -> Host:
        return Host(
            release="6.1.0",
            modprobe="/sbin/modprobe",
            has_modules=True,
            run=self.run,
            loaded=lambda module: module in self.loaded,
            has_ipvs=lambda: self.answers and "ip_vs" in self.loaded,
        )

    def run(self, command: Sequence[str]) -> Outcome:
        modprobe, module = command
        assert modprobe == "/sbin/modprobe"
        self.asked.append(module)
        if self.failure is not None:
            return self.failure
        if module not in self.modules:
            return Outcome(1, FATAL.format(module))
        self.loaded.append(module)
        return Outcome(0)


def says(host: Host, *schedulers: str) -> str:
    with pytest.raises(HostError) as caught:
        load_ipvs(schedulers, host=host)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_ipvs_its_schedulers_and_engines_are_loaded_once_each() -> None:
    machine = Machine()
    load_ipvs(["rr", "mh", "rr"], ["sip", ""], machine.host())
    assert machine.asked == ["ip_vs", "ip_vs_rr", "ip_vs_mh", "ip_vs_pe_sip"]


def test_what_is_loaded_is_not_loaded_again() -> None:
    machine = Machine(loaded=["ip_vs", "ip_vs_rr"])
    load_ipvs(["rr", "none"], host=machine.host())
    assert machine.asked == []


def test_without_modprobe_it_says_what_to_install() -> None:
    host = replace(Machine().host(), modprobe=None)
    assert says(host) == "ip_vs: not loaded, and no modprobe to load it: install kmod"


def test_a_container_is_told_that_the_module_is_for_its_host_to_load() -> None:
    host = replace(Machine().host(), has_modules=False)
    assert says(host) == (
        "ip_vs: no modules for kernel 6.1.0 on this machine (a container?): "
        "load ip_vs outside of it, or run a kernel with IPVS (Debian: linux-image-amd64)"
    )


def test_a_kernel_without_the_module_is_named_with_one_that_has_it() -> None:
    assert says(Machine(modules=()).host()) == (
        "ip_vs: kernel 6.1.0 has no IPVS module: install one that has "
        "(Debian: linux-image-amd64, its cloud kernels have none; "
        "Ubuntu: linux-modules-extra) and boot it"
    )


def test_a_modprobe_that_fails_is_quoted() -> None:
    complaint = "modprobe: ERROR: could not insert 'ip_vs': Operation not permitted"
    machine = Machine(failure=Outcome(1, complaint))
    assert says(machine.host()) == f"ip_vs: modprobe failed: {complaint}"
    silent = Machine(failure=Outcome(-9))
    assert says(silent.host()) == "ip_vs: modprobe failed: -9"


def test_a_modprobe_that_hangs_is_given_up() -> None:
    def hang(_: Sequence[str]) -> Outcome:
        raise TimeoutError

    host = replace(Machine().host(), run=hang)
    assert says(host) == "ip_vs: modprobe took longer than 30 s"


def test_ipvs_that_is_loaded_and_silent_is_said_so() -> None:
    assert says(Machine(answers=False).host()) == (
        "ip_vs: loaded, but IPVS does not answer in this network namespace"
    )


def test_a_scheduler_the_kernel_does_not_have_is_named() -> None:
    assert says(Machine().host(), "rr", "fo") == "ip_vs_fo: kernel 6.1.0 has no such module"


def test_a_scheduler_that_fails_to_load_is_named() -> None:
    machine = Machine(loaded=["ip_vs"], failure=Outcome(1, "modprobe: ERROR: bad format"))
    assert says(machine.host(), "rr") == "ip_vs_rr: modprobe failed: modprobe: ERROR: bad format"


@pytest.mark.parametrize("lacking", [{"modprobe": None}, {"has_modules": False}])
def test_with_ipvs_there_and_no_modules_to_look_at_the_kernel_decides_on_schedulers(
    lacking: dict[str, object],
) -> None:
    machine = Machine(loaded=["ip_vs"])
    load_ipvs(["rr"], host=replace(machine.host(), **lacking))
    assert machine.asked == []


def program(folder: Path, script: str) -> str:
    path = folder / "modprobe"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return str(path)


def test_of_what_a_program_complains_about_the_last_line_is_kept(tmp_path: Path) -> None:
    complaining = program(tmp_path, 'echo "first $1" >&2; echo "last $1" >&2; exit 3')
    assert Host.here().run((complaining, "ip_vs")) == Outcome(3, "last ip_vs")


def test_a_program_that_cannot_be_started_is_an_outcome(tmp_path: Path) -> None:
    outcome = Host.here().run((str(tmp_path / "nothing"), "ip_vs"))
    assert outcome == Outcome(127, "No such file or directory")


def test_a_program_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modules, "MODPROBE_TIMEOUT", 0.05)
    hanging = program(tmp_path, "exec sleep 60")
    with pytest.raises(TimeoutError):
        Host.here().run((hanging, "ip_vs"))


def test_this_machine_is_asked_about_itself() -> None:
    here = Host.here()
    assert here.release == os.uname().release
    assert here.has_ipvs() in (True, False)
    assert not here.loaded("lvsha_no_such_module")
