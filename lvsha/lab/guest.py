"""A program run beside a kernel that has IPVS: this machine's, or a user-mode Linux guest's.

Both ways the program gets a process, mount and network world of its own that ends with it, and
its output comes through files: a guest's console would mix it with the kernel's own words. The
guest's root file system is the host's, writable, so what must not collide (/run, TMPDIR) is memory.
"""

from __future__ import annotations

import compileall
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import BinaryIO, NoReturn

import lvsha
from lvsha.errors import HostError

IPVS_STATE = Path("/proc/net/ip_vs")
GUEST_MODULES = Path("/usr/lib/uml/modules")
GUEST_MEMORY = 1 << 30
POLL_INTERVAL = 0.05
"""Seconds between two looks at the program's output and at its end."""

INHERITED = ("TERM", "COLUMNS", "LINES", "LANG", "CI", "NO_COLOR")
"""What of the caller's environment a program sees; the rest is the lab's own."""

Sink = Callable[[bytes], None]


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    environment: Mapping[str, str] | None = None,
    out: Sink | None = None,
    err: Sink | None = None,
) -> int:
    """Run a program beside IPVS; its exit status.

    Its output goes to `out` and `err` as it comes, to this process's own by default. `timeout` is
    seconds, boot included. Raises HostError where neither kernel is to be had, where the guest
    ended without a word, and when the time is over. Whatever ends the call ends the program.
    """
    with tempfile.TemporaryDirectory(prefix="lvsha-lab-") as name:
        folder = Path(name)
        command = _host_command(folder) if host_has_ipvs() else _guest_command(folder)
        _compile_bytecode()
        _write_script(folder, argv, environment or {}, guest="linux.uml" in command)
        sinks = {"out": out or _sink(sys.stdout.buffer), "err": err or _sink(sys.stderr.buffer)}
        with _started(command, folder) as process:
            _follow(process, folder, sinks, timeout)
        return _status(folder)


def host_has_ipvs() -> bool:
    """Whether this machine's own kernel balances, its module loaded now if it can be."""
    if not IPVS_STATE.exists() and (modprobe := shutil.which("modprobe", path=_search_path())):
        subprocess.run([modprobe, "-q", "ip_vs"], check=False, capture_output=True)
    return IPVS_STATE.exists()


def main() -> NoReturn:
    """`python -m lvsha.lab.guest [--timeout SECONDS] PROGRAM …`."""
    words = sys.argv[1:] or ["true"]
    timeout = 600.0
    if words[:1] == ["--timeout"]:
        timeout, words = float(words[1]), words[2:]
    end_in_order()
    try:
        sys.exit(run(words, timeout=timeout))
    except HostError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


def end_in_order() -> None:
    """Let signals that end this process take the program's folder along, without a traceback."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _exit)


def _exit(number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)


def _host_command(folder: Path) -> list[str]:
    return ["unshare", *_OWN_PROCESSES, "--mount-proc", "--net", "--mount", f"{folder}/init"]


def _guest_command(folder: Path) -> list[str]:
    if not shutil.which("linux.uml", path=_search_path()) or not GUEST_MODULES.is_dir():
        raise HostError(
            "this kernel has no ip_vs, and there is no guest kernel to run instead: "
            "apt install user-mode-linux kmod"
        )
    return [
        *(
            "unshare",
            *_OWN_PROCESSES,
            "linux.uml",
            f"mem={GUEST_MEMORY}",
            "rootfstype=hostfs",
            "root=none",
            "rw",
        ),
        *(f"init={folder}/init", "con=null", "ssl=null", "quiet", f"uml_dir={folder}/uml"),
    ]


_OWN_PROCESSES = ("--pid", "--fork", "--kill-child=KILL")


def _compile_bytecode() -> None:
    """A guest's imports read hundreds of files slowly; parsing them there would double it."""
    for package in lvsha.__path__:
        compileall.compile_dir(package, quiet=2)


def _write_script(
    folder: Path, argv: Sequence[str], environment: Mapping[str, str], *, guest: bool
) -> None:
    (folder / "uml").mkdir()
    (folder / "out").touch()
    (folder / "err").touch()
    exports = {name: os.environ[name] for name in INHERITED if name in os.environ}
    exports |= {
        "PATH": _search_path(),
        "HOME": "/root",
        "TMPDIR": "/run/tmp",
        "LVSHA_LAB": "1",
    } | dict(environment)
    lines = [
        "#!/bin/sh",
        f"exec </dev/null >>{folder}/out 2>>{folder}/err",
        *(f"export {name}={shlex.quote(value)}" for name, value in exports.items()),
        *(_GUEST_MOUNTS if guest else _HOST_MOUNTS),
        "mkdir -p /run/tmp /run/netns",
        "ip link set lo up",
        f"cd {shlex.quote(os.getcwd())}",
        shlex.join(argv),
        f"echo $? >{folder}/status",
        *(["echo o >/proc/sysrq-trigger", "sleep 60"] if guest else []),
    ]
    script = folder / "init"
    script.write_text("\n".join(lines) + "\n")
    script.chmod(0o700)


_GUEST_MOUNTS = (
    "mkdir -p /dev/shm /lib/modules",
    "mount -t proc proc /proc",
    "mount -t sysfs sysfs /sys",
    "mount -t tmpfs tmpfs /run",
    "mount -t tmpfs tmpfs /dev/shm",
    f"mount --bind {GUEST_MODULES} /lib/modules",
    "modprobe ip_vs",
)
_HOST_MOUNTS = ("mount -t sysfs sysfs /sys", "mount -t tmpfs tmpfs /run")


def _search_path() -> str:
    """This interpreter's own programs first: a version manager's shim takes 10 s in a guest."""
    system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return f"{Path(sys.executable).parent}:{system}"


def _memory_folder(folder: Path) -> str:
    """Where the guest's memory is a file: shared memory, unless a container keeps it too tight."""
    shared = os.statvfs("/dev/shm")  # noqa: S108 - a file system, looked at
    roomy = shared.f_bavail * shared.f_frsize > GUEST_MEMORY
    return "/dev/shm" if roomy and not shared.f_flag & os.ST_NOEXEC else str(folder)  # noqa: S108


@contextmanager
def _started(command: list[str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The program's world, ended for certain: with this process, too, however that dies."""
    with (folder / "boot.log").open("wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={"PATH": _search_path(), "TMPDIR": _memory_folder(folder)},
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _follow(
    process: subprocess.Popen[bytes], folder: Path, sinks: Mapping[str, Sink], timeout: float
) -> None:
    deadline = time.monotonic() + timeout
    with (folder / "out").open("rb") as out, (folder / "err").open("rb") as err:
        streams: dict[BinaryIO, Sink] = {out: sinks["out"], err: sinks["err"]}
        while process.poll() is None:
            if time.monotonic() > deadline:
                raise HostError(f"lab: still running after {timeout:g} s, ended")
            _copy(streams)
            time.sleep(POLL_INTERVAL)
        _copy(streams)


def _copy(streams: Mapping[BinaryIO, Sink]) -> None:
    for stream, sink in streams.items():
        if data := stream.read():
            sink(data)


def _sink(stream: BinaryIO) -> Sink:
    def write(data: bytes) -> None:
        stream.write(data)
        stream.flush()

    return write


def _status(folder: Path) -> int:
    try:
        return int((folder / "status").read_text())
    except (FileNotFoundError, ValueError):
        said = (folder / "boot.log").read_text(errors="replace").strip().splitlines()[-5:]
        raise HostError("\n  ".join(["lab: the kernel ended before the program", *said])) from None


if __name__ == "__main__":
    main()
