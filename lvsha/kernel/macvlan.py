"""Private macvlan interfaces: a virtual router's own MAC address, beside its parent's."""

from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import suppress

from lvsha.errors import KernelError
from lvsha.kernel.ports import Sysctls
from lvsha.kernel.rtnetlink import AsyncIPRoute, NetlinkError

_PARENT = {"arp_ignore": "1", "arp_filter": "1", "arp_announce": "2"}
"""Else the parent answers for the macvlan's addresses, and asks in their name, with its own MAC
address."""

_OWN = {"arp_ignore": "1", "arp_filter": "0", "accept_local": "1", "promote_secondaries": "1"}


class KernelMacvlans:
    """`ports.Macvlans` in the network namespace where `open` was called."""

    def __init__(self, commands: AsyncIPRoute, sysctls: Sysctls) -> None:
        self._commands = commands
        self._sysctls = sysctls
        self._parents: dict[str, str] = {}
        self._found: dict[str, dict[str, str]] = {}

    @classmethod
    async def open(cls, sysctls: Sysctls) -> KernelMacvlans:
        commands = AsyncIPRoute(ext_ack=True)
        await commands.setup_endpoint()
        return cls(commands, sysctls)

    async def make(self, name: str, parent: str, mac: bytes) -> None:
        try:
            await self._commands.link(
                "add",
                ifname=name,
                kind="macvlan",
                link=_index(parent),
                macvlan_mode="private",
                address=mac.hex(":"),
            )
            self._set(name, parent)
            await self._commands.link("set", index=_index(name), state="up")
        except NetlinkError as error:
            raise KernelError(error.code, f"macvlan {name}", error.args[1]) from None

    async def remove(self, name: str) -> None:
        with suppress(KernelError):  # it is not there
            index = _index(name)
            try:
                await self._commands.link("del", index=index)
            except NetlinkError as error:
                raise KernelError(error.code, f"macvlan {name}", error.args[1]) from None
        self._restore(name)

    async def close(self) -> None:
        self._commands.close()
        await asyncio.sleep(0)  # the transport lets go of its socket in the loop's next round

    def _set(self, name: str, parent: str) -> None:
        if parent not in self._found:
            self._found[parent] = {each: self._ipv4(parent, each) for each in _PARENT}
        self._parents[name] = parent
        for setting, value in _PARENT.items():
            self._sysctls.write(("net", "ipv4", "conf", parent, setting), value)
        # The larger of `all` and the interface's own counts; 2 is loose, and more than strict.
        rp_filter = "0" if self._ipv4("all", "rp_filter") == "0" else "2"
        for setting, value in {**_OWN, "rp_filter": rp_filter}.items():
            self._sysctls.write(("net", "ipv4", "conf", name, setting), value)
        with suppress(KernelError):  # a kernel without IPv6
            # The peer has the same MAC address, and would make the same link-local one of it.
            self._sysctls.write(("net", "ipv6", "conf", name, "addr_gen_mode"), "1")

    def _restore(self, name: str) -> None:
        parent = self._parents.pop(name, None)
        if parent is None or parent in self._parents.values():
            return
        for setting, value in self._found.pop(parent).items():
            with suppress(KernelError):  # the parent may be gone
                self._sysctls.write(("net", "ipv4", "conf", parent, setting), value)

    def _ipv4(self, interface: str, setting: str) -> str:
        return self._sysctls.read(("net", "ipv4", "conf", interface, setting))


def _index(interface: str) -> int:
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        raise KernelError(errno.ENODEV, f"interface {interface}") from None
