"""Private macvlan interfaces: a virtual router's own MAC address, beside its parent's.

What the parent's settings were is written on the interface, as its alias: whoever removes one that
a killed process has left restores them.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress

from lvsha.errors import KernelError
from lvsha.kernel.ports import Sysctls
from lvsha.kernel.rtnetlink import AsyncIPRoute, index_of, refusals_about

_PARENT = {"arp_ignore": "1", "arp_filter": "1", "arp_announce": "2"}
"""Else the parent answers for the macvlan's addresses, and asks in their name, with its own MAC
address."""

_OWN = {"arp_ignore": "1", "arp_filter": "0", "accept_local": "1", "promote_secondaries": "1"}


_MARK = "lvsha"
"""First word of the alias; what follows is the parent's settings before."""


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
        if parent not in self._found:
            self._found[parent] = {each: self._ipv4(parent, each) for each in _PARENT}
        self._parents[name] = parent
        try:
            await self._build(name, parent, mac)
        except KernelError:
            with suppress(KernelError):
                await self.remove(name)  # half made, it would stay when its router stops
            raise

    async def _build(self, name: str, parent: str, mac: bytes) -> None:
        with refusals_about(f"macvlan {name}"):
            await self._commands.link(
                "add",
                ifname=name,
                kind="macvlan",
                link=index_of(parent),
                macvlan_mode="private",
                address=mac.hex(":"),
            )
            index = index_of(name)
            await self._commands.link("set", index=index, ifalias=_written(self._found[parent]))
            self._set(name, parent)
            await self._commands.link("set", index=index, state="up")

    async def remove(self, name: str) -> None:
        with suppress(KernelError):  # it is not there
            index = index_of(name)
            with refusals_about(f"macvlan {name}"):
                await self._learn(name, index)
                await self._commands.link("del", index=index)
        self._restore(name)

    async def _learn(self, name: str, index: int) -> None:
        """Of one that somebody before us made: its parent, and what that was like."""
        if name in self._parents:
            return
        (link,) = await self._commands.link("get", index=index)
        with suppress(OSError):  # its parent is in another namespace
            parent = socket.if_indextoname(link.get("link") or 0)
            if found := _read(link.get("ifalias") or ""):
                self._parents[name] = parent
                self._found.setdefault(parent, found)

    async def close(self) -> None:
        self._commands.close()
        await asyncio.sleep(0)  # the transport lets go of its socket in the loop's next round

    def _set(self, name: str, parent: str) -> None:
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


def _written(found: Mapping[str, str]) -> str:
    return " ".join((_MARK, *(f"{setting}={value}" for setting, value in found.items())))


def _read(alias: str) -> dict[str, str]:
    """What `_written` wrote; nothing of an alias of somebody else's."""
    mark, _, settings = alias.partition(" ")
    found = dict(word.split("=", 1) for word in settings.split() if "=" in word)
    return found if mark == _MARK and found.keys() == _PARENT.keys() else {}
