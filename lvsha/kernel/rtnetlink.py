"""pyroute2's rtnetlink, in pieces: whoever needs it imports it from here, and loads no more."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from lvsha.errors import KernelError
from lvsha.kernel.piecemeal import piecemeal

with piecemeal("pyroute2"):
    from pyroute2.iproute.linux import AsyncIPRoute
    from pyroute2.netlink.exceptions import NetlinkDumpInterrupted, NetlinkError
    from pyroute2.netlink.rtnl.marshal import MarshalRtnl

__all__ = [
    "AsyncIPRoute",
    "MarshalRtnl",
    "NetlinkDumpInterrupted",
    "NetlinkError",
    "index_of",
    "refusals_about",
]


def index_of(interface: str) -> int:
    """Of an interface by name. KernelError: there is none."""
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        raise KernelError(errno.ENODEV, f"interface {interface}") from None


@contextmanager
def refusals_about(what: str) -> Iterator[None]:
    """The kernel's refusals of pyroute2's requests, as KernelErrors about `what`."""
    try:
        yield
    except NetlinkError as error:
        raise KernelError(error.code, what, error.args[1]) from None
