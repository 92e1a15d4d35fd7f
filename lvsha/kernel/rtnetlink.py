"""pyroute2's rtnetlink, in pieces: whoever needs it imports it from here, and loads no more."""

from __future__ import annotations

from lvsha.kernel.piecemeal import piecemeal

with piecemeal("pyroute2"):
    from pyroute2.iproute.linux import AsyncIPRoute
    from pyroute2.netlink.exceptions import NetlinkDumpInterrupted, NetlinkError
    from pyroute2.netlink.rtnl.marshal import MarshalRtnl

__all__ = ["AsyncIPRoute", "MarshalRtnl", "NetlinkDumpInterrupted", "NetlinkError"]
