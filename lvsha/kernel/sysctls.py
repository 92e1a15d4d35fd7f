"""Kernel settings under /proc/sys, every write read back."""

from __future__ import annotations

import errno
from pathlib import Path

from lvsha.errors import KernelError
from lvsha.kernel.ports import SysctlName

WORDS = {
    errno.ENOENT: "this kernel has no such setting",
    errno.EACCES: "not allowed here: needs root, or is owned by the host of this container",
    errno.EPERM: "not allowed here: needs root, or is owned by the host of this container",
    errno.EROFS: "/proc/sys is read-only here: the container needs the privilege to write it",
}


class KernelSysctls:
    """`ports.Sysctls`: settings of the network namespace of the calling thread."""

    def __init__(self, root: Path = Path("/proc/sys")) -> None:
        self._root = root

    def read(self, name: SysctlName) -> str:
        try:
            return self._path(name).read_text().strip()
        except OSError as error:
            raise _refusal(name, error) from error

    def write(self, name: SysctlName, value: str) -> None:
        try:
            self._path(name).write_text(f"{value}\n")
        except OSError as error:
            raise _refusal(name, error) from error
        kept = self.read(name)
        if kept.split() != value.split():
            raise KernelError(errno.EINVAL, dotted(name), f"wrote {value}, the kernel kept {kept}")

    def names(self, parent: SysctlName) -> tuple[str, ...]:
        try:
            return tuple(sorted(entry.name for entry in self._path(parent).iterdir()))
        except OSError as error:
            raise _refusal(parent, error) from error

    def _path(self, name: SysctlName) -> Path:
        return self._root.joinpath(*parts(name))


def parts(name: SysctlName) -> tuple[str, ...]:
    """The name's path, part by part; in text a slash is a dot of an interface, as in sysctl(8)."""
    if isinstance(name, str):
        return tuple(part.replace("/", ".") for part in name.split("."))
    return name


def dotted(name: SysctlName) -> str:
    """As people write it; dots inside an interface name become slashes, as in sysctl(8)."""
    return ".".join(part.replace(".", "/") for part in parts(name))


def _refusal(name: SysctlName, error: OSError) -> KernelError:
    code = error.errno or errno.EIO
    return KernelError(code, dotted(name), WORDS.get(code, ""))
