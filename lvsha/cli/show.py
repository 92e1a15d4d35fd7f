"""What `lvsha status` prints for a person: the troubled first thing to catch the eye."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from rich.console import Console
from rich.markup import escape as escape_markup
from rich.table import Table

_COLOURS = {
    "MASTER": "green",
    "UP": "green",
    "BACKUP": "cyan",
    "INIT": "yellow",
    "UNKNOWN": "yellow",
    "DRAIN": "yellow",
    "DISABLED": "dim",
    "DOWN": "bold red",
    "FAULT": "bold red",
}

_UNBOUNDED = 10_000
"""Columns where nobody's terminal sets a limit: what is piped into grep is not folded."""

_FOLDED = {"ADDRESSES", "MESSAGE"}
"""Columns that may take several lines on a narrow terminal."""

Status = dict[str, Any]


def is_healthy(found: Status) -> bool:
    """Whether nothing is DOWN or FAULT and every check has decided."""
    return (
        bool(found["ready"])
        and all(router["state"] != "FAULT" for router in found["virtual_routers"])
        and all(service["state"] == "UP" for service in found["virtual_services"])
        and not any(
            server["admin"] == "ENABLED" and server["health"] == "DOWN"
            for service in found["virtual_services"]
            for server in chain(service["real_servers"], *service["backups"])
        )
    )


def status(found: Status) -> None:
    """Print the status as aligned text, coloured on a terminal."""
    width = None if sys.stdout.isatty() else _UNBOUNDED
    console = Console(highlight=False, soft_wrap=True, width=width)
    ready = "ready" if found["ready"] else "[yellow]not ready: some checks have not decided[/]"
    pids = " ".join(f"{name}={pid}" for name, pid in found["pids"].items())
    console.print(
        f"cluster [bold]{escape(found['cluster'])}[/]  node [bold]{escape(found['node'])}[/]  "
        f"lvsha {found['version']}  generation {found['generation']}  {ready}  [dim]{pids}[/]"
    )
    if found["suspect"]:
        console.print("[bold red]most targets failed at once: look for the fault on this node[/]")
    if found["virtual_routers"]:
        console.print(_routers(found["virtual_routers"]))
    for service in found["virtual_services"]:
        console.print(_service(service))
    for setting in found.get("settings", []):
        if setting["error"]:
            console.print(f"[bold red]setting {setting['name']}: {escape(setting['error'])}[/]")


def _routers(routers: list[Status]) -> Table:
    table = _table("ROUTER", "STATE", "VRID", "INTERFACE", "PRIORITY", "MASTER", "FOR", "ADDRESSES")
    for router in routers:
        table.add_row(
            escape(router["name"]),
            _coloured(router["state"]),
            str(router["virtual_router_id"]),
            escape(router["interface"]),
            _priority(router),
            router["master"] or "-",
            age(router["since"]),
            "\n".join(_carried(router)),
        )
    return table


def _carried(router: Status) -> Iterator[str]:
    """Its addresses, then what is out of the ordinary."""
    unadvertised = " ".join(router["excluded_addresses"])
    yield " ".join(router["addresses"]) + (f" [dim]and[/] {unadvertised}" if unadvertised else "")
    if router["faults"]:
        yield f"[red]{escape('; '.join(router['faults']))}[/]"
    if router["aside"]:
        yield "[yellow]handed over: stays behind any master[/]"
    hook = router["hook"]
    if hook and hook["exit_code"] != 0:
        yield f"[yellow]hook {escape(hook['told'])}: {escape(hook['message'])}[/]"


def _service(service: Status) -> Table:
    head = (
        f"{escape(service['name'])}  {where(service)}  {_coloured(service['state'])}  "
        f"{service['scheduler']} {service['forwarding'] or ''}{_condition(service)}"
    )
    table = _table("SERVER", "HEALTH", "ADMIN", "WEIGHT", "ACTIVE", "INACTIVE", "FOR", "MESSAGE")
    table.title = head
    table.title_justify = "left"
    table.title_style = ""
    for mark, server in _by_tier(service):
        refused = server["kernel_error"]
        message = (
            f"[bold red]kernel: {escape(refused)}[/]" if refused else escape(server["message"])
        )
        table.add_row(
            mark + server["server"],
            _coloured(server["health"]),
            _coloured(server["admin"]) if server["admin"] != "ENABLED" else "",
            _weight(server),
            str(server["active_connections"]),
            str(server["inactive_connections"]),
            age(server["since"]),
            message,
        )
    return table


def _condition(service: Status) -> str:
    """What is out of the ordinary, in words."""
    words = ""
    if not service["active"]:
        words += "  [dim]not in the table: another node is master[/]"
    if service["tier"]:
        words += f"  [bold red]backups {service['tier']} stand in[/]"
    if service["panic"]:
        words += "  [bold red]PANIC: too many are down, none is taken out[/]"
    return words


def _by_tier(service: Status) -> Iterator[tuple[str, Status]]:
    """Servers with what marks their tier: nothing, or the backups' number."""
    for server in service["real_servers"]:
        yield "", server
    for number, tier in enumerate(service["backups"], 1):
        for server in tier:
            yield f"backup {number}: ", server


def age(since: str | None) -> str:
    """How long ago, in the largest unit that fits: `12s`, `5m`, `3h`, `8d`."""
    if since is None:
        return "-"
    seconds = max(0, int((datetime.now(UTC) - datetime.fromisoformat(since)).total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def escape(text: str) -> str:
    """Text of the file, the kernel or a server: none of it is told to the terminal as a command."""
    return escape_markup("".join(c if c.isprintable() or c == "\n" else "?" for c in text))


def where(service: Status) -> str:
    """`TCP 192.0.2.1:80` or `FWM 7`."""
    if service["fwmark"] is not None:
        return f"FWM {service['fwmark']}"
    address = service["address"]
    host = f"[{address}]" if ":" in address else address
    return escape(f"{service['protocol'].upper()} {host}:{service['port']}")


def _priority(router: Status) -> str:
    own, effective = router["priority"], router["effective_priority"]
    return str(own) if own == effective else f"{own} → {effective}"


def _weight(server: Status) -> str:
    own, effective = server["weight"], server["effective_weight"]
    return str(own) if own == effective else f"{own} → {effective}"


def _coloured(word: str) -> str:
    return f"[{_COLOURS.get(word, '')}]{word}[/]" if word in _COLOURS else word


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column not in _FOLDED)
    return table
