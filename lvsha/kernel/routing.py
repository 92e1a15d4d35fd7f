"""Routes and rules: pyroute2 for changes of our own, a plain netlink socket to look.

The main table may have a million routes. It is read in chunks, of each route no more than needed,
and what the kernel tells of changes is not read at all: that there was one is enough.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from lvsha.core.moving import MAIN_TABLE, VirtualRoute, VirtualRule
from lvsha.core.types import Family, Network
from lvsha.errors import KernelError
from lvsha.kernel.netlink import DONE, DUMP, ERROR, HEADER, REQUEST, attributes, messages, outcome
from lvsha.kernel.rtnetlink import AsyncIPRoute, index_of, refusals_about

# include/uapi/linux/rtnetlink.h and netlink.h
RTM_NEWROUTE, RTM_GETROUTE = 24, 26
RTMGRP_LINK, RTMGRP_IPV4_ROUTE, RTMGRP_IPV6_ROUTE = 0x1, 0x40, 0x400
RTN_UNICAST, RTA_DST, RTNH_F_DEAD, RTNH_F_LINKDOWN = 1, 1, 1, 16
SOL_NETLINK, NETLINK_GET_STRICT_CHK = 270, 12
_ROUTE = struct.Struct("=BBBBBBBBI")  # rtmsg

_CHUNK = 1 << 15


class KernelRouting:
    """`ports.Routing` in the network namespace where `open` was called."""

    def __init__(self, commands: AsyncIPRoute) -> None:
        self._commands = commands

    @classmethod
    async def open(cls) -> KernelRouting:
        commands = AsyncIPRoute(ext_ack=True)
        await commands.setup_endpoint()
        return cls(commands)

    async def has_route(self, to: Network) -> bool:
        with _socket(0) as end:
            end.setsockopt(SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
            wanted = _ROUTE.pack(Family.of(to), 0, 0, 0, MAIN_TABLE, 0, 0, 0, 0)
            length = HEADER.size + len(wanted)
            end.send(HEADER.pack(length, RTM_GETROUTE, REQUEST | DUMP, 1, 0) + wanted)
            while True:
                found = _search(await _receive(end), to)
                if found is not None:
                    return found

    async def changes(self) -> AsyncIterator[None]:
        with _socket(RTMGRP_LINK | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE) as end:
            while True:
                with suppress(KernelError):  # ENOBUFS: there were more than it can tell
                    await _receive(end)
                yield

    async def add(self, interface: str, path: VirtualRoute | VirtualRule) -> None:
        await self._change("add", interface, path)

    async def remove(self, interface: str, path: VirtualRoute | VirtualRule) -> None:
        await self._change("del", interface, path)

    async def close(self) -> None:
        self._commands.close()
        await asyncio.sleep(0)  # the transport lets go of its socket in the loop's next round

    async def _change(self, verb: str, interface: str, path: VirtualRoute | VirtualRule) -> None:
        with refusals_about(str(path)):
            match path:
                case VirtualRoute():
                    await self._commands.route(verb, **_route(interface, path))
                case VirtualRule(source, table):
                    family = int(Family.of(source))
                    await self._commands.rule(
                        verb,
                        family=family,
                        table=table,
                        src=str(source.network_address),
                        src_len=source.prefixlen,
                    )


def _route(interface: str, route: VirtualRoute) -> dict[str, Any]:
    return {
        "family": int(Family.of(route.to)),
        "dst": str(route.to),
        "gateway": str(route.via),
        "oif": index_of(interface),
        "table": route.table,
    }


def _search(data: bytes, to: Network) -> bool | None:
    """Whether the route is in a chunk of the table; False at its end, None before."""
    wanted = to.network_address.packed
    for message in messages(data):
        if message.type in {DONE, ERROR}:
            code, _ = outcome(message)
            if code not in {0, errno.ENOENT}:  # no such table: nothing is in it
                raise KernelError(code, f"route {to}")
            return False
        if message.type == RTM_NEWROUTE:
            _, length, _, _, table, _, _, kind, flags = _ROUTE.unpack_from(message.body)
            if (length, table, kind) != (to.prefixlen, MAIN_TABLE, RTN_UNICAST):
                continue
            found = attributes(message.body[_ROUTE.size :]).get(RTA_DST, bytes(len(wanted)))
            if found == wanted and not flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN):
                return True
    return None


async def _receive(end: socket.socket) -> bytes:
    try:
        return await asyncio.get_running_loop().sock_recv(end, _CHUNK)
    except OSError as error:
        raise KernelError(error.errno or errno.EIO, "rtnetlink") from error


@contextmanager
def _socket(groups: int) -> Iterator[socket.socket]:
    end = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    try:
        end.setblocking(False)
        end.bind((0, groups))
        yield end
    except OSError as error:
        raise KernelError(error.errno or errno.EIO, "rtnetlink") from error
    finally:
        asyncio.get_running_loop().call_soon(end.close)
