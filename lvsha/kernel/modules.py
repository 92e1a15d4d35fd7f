"""Loading IPVS into the kernel: ip_vs, its schedulers and persistence engines, by modprobe."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lvsha.errors import HostError, KernelError
from lvsha.kernel import nla
from lvsha.kernel.genetlink import Conversation

MODPROBE_TIMEOUT = 30.0
"""Seconds."""

_SYSTEM_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"  # a daemon's own PATH may lack the sbin ones


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended. `complaint` is the last line it wrote on stderr."""

    status: int
    complaint: str = ""


@dataclass(frozen=True, slots=True)
class Host:
    """What loading needs of a machine; the default is the one we run on.

    `run` raises TimeoutError when a command takes longer than MODPROBE_TIMEOUT. `loaded` tells
    whether a module is in the kernel, `has_ipvs` whether IPVS answers.
    """

    release: str
    modprobe: str | None
    has_modules: bool
    run: Callable[[Sequence[str]], Outcome]
    loaded: Callable[[str], bool]
    has_ipvs: Callable[[], bool]

    @classmethod
    def here(cls) -> Host:
        release = os.uname().release
        return cls(
            release=release,
            modprobe=shutil.which("modprobe", path=_SYSTEM_PATH),
            has_modules=Path("/lib/modules", release).is_dir(),
            run=_run,
            loaded=lambda module: Path("/sys/module", module).is_dir(),
            has_ipvs=_has_ipvs,
        )


def load_ipvs(
    schedulers: Iterable[str] = (), engines: Iterable[str] = (), host: Host | None = None
) -> None:
    """See to it that the kernel has IPVS and these schedulers and persistence engines.

    HostError with one line that says what to install or do where that can't be. A scheduler is
    given up on only where this machine's own modules are there to say that it has none: with IPVS
    there and no modules to look at (a container), the kernel's own answer decides.
    """
    host = host or Host.here()
    if not host.has_ipvs():
        _load_ip_vs(host)
    wanted = [f"ip_vs_{name}" for name in schedulers if name != "none"]
    wanted += [f"ip_vs_pe_{name}" for name in engines if name]
    for module in dict.fromkeys(wanted):
        _load_part(host, module)


def _load_ip_vs(host: Host) -> None:
    if host.modprobe is None:
        raise HostError("ip_vs: not loaded, and no modprobe to load it: install kmod")
    if not host.has_modules:
        raise HostError(
            f"ip_vs: no modules for kernel {host.release} on this machine (a container?): "
            "load ip_vs outside of it, or run a kernel with IPVS (Debian: linux-image-amd64)"
        )
    outcome = _modprobe(host, host.modprobe, "ip_vs")
    if outcome.status and _is_missing(outcome):
        raise HostError(
            f"ip_vs: kernel {host.release} has no IPVS module: install one that has "
            "(Debian: linux-image-amd64, its cloud kernels have none; "
            "Ubuntu: linux-modules-extra) and boot it"
        )
    if outcome.status:
        raise HostError(f"ip_vs: modprobe failed: {outcome.complaint or outcome.status}")
    if not host.has_ipvs():
        raise HostError("ip_vs: loaded, but IPVS does not answer in this network namespace")


def _load_part(host: Host, module: str) -> None:
    if host.loaded(module) or host.modprobe is None or not host.has_modules:
        return
    outcome = _modprobe(host, host.modprobe, module)
    if outcome.status and _is_missing(outcome):
        raise HostError(f"{module}: kernel {host.release} has no such module")
    if outcome.status:
        raise HostError(f"{module}: modprobe failed: {outcome.complaint or outcome.status}")


def _modprobe(host: Host, modprobe: str, module: str) -> Outcome:
    try:
        return host.run((modprobe, module))
    except TimeoutError:
        raise HostError(f"{module}: modprobe took longer than {MODPROBE_TIMEOUT:g} s") from None


def _is_missing(outcome: Outcome) -> bool:
    return "not found" in outcome.complaint


def _run(command: Sequence[str]) -> Outcome:
    try:
        done = subprocess.run(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=MODPROBE_TIMEOUT,
            check=False,
            env={"PATH": _SYSTEM_PATH, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError from None
    except OSError as error:
        return Outcome(127, error.strerror or str(error))
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return Outcome(done.returncode, lines[-1] if lines else "")


def _has_ipvs() -> bool:
    conversation = Conversation()
    try:
        conversation.family(nla.FAMILY)
    except KernelError as error:
        if error.errno == errno.ENOENT:
            return False
        raise
    finally:
        conversation.close()
    return True
