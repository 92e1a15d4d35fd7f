"""What `lvsha status` prints for a person: the troubled first thing to catch the eye."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
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
            for server in service["real_servers"]
        )
    )


def status(found: Status) -> None:
    """Print the status as aligned text, coloured on a terminal."""
    console = Console(highlight=False, soft_wrap=True)
    ready = "ready" if found["ready"] else "[yellow]not ready: some checks have not decided[/]"
    pids = " ".join(f"{name}={pid}" for name, pid in found["pids"].items())
    console.print(
        f"cluster [bold]{escape(found['cluster'])}[/]  node [bold]{escape(found['node'])}[/]  "
        f"lvsha {found['version']}  generation {found['generation']}  {ready}  [dim]{pids}[/]"
    )
    if found["virtual_routers"]:
        console.print(_routers(found["virtual_routers"]))
    for service in found["virtual_services"]:
        console.print(_service(service))
    for setting in found.get("settings", []):
        if setting["error"]:
            console.print(f"[bold red]setting {setting['name']}: {escape(setting['error'])}[/]")


def _routers(routers: list[Status]) -> Table:
    table = _table(
        "ROUTER", "STATE", "VRID", "INTERFACE", "PRIORITY", "MASTER", "SINCE", "ADDRESSES"
    )
    for router in routers:
        addresses = " ".join(router["addresses"])
        faults = f"\n[red]{escape('; '.join(router['faults']))}[/]" if router["faults"] else ""
        table.add_row(
            escape(router["name"]),
            _coloured(router["state"]),
            str(router["virtual_router_id"]),
            router["interface"],
            _priority(router),
            router["master"] or "-",
            router["since"],
            addresses + faults,
        )
    return table


def _service(service: Status) -> Table:
    head = (
        f"{escape(service['name'])}  {where(service)}  {_coloured(service['state'])}  "
        f"{service['scheduler']} {service['forwarding']}"
    )
    table = _table("SERVER", "HEALTH", "ADMIN", "WEIGHT", "ACTIVE", "INACTIVE", "SINCE", "MESSAGE")
    table.title = head
    table.title_justify = "left"
    table.title_style = ""
    for server in service["real_servers"]:
        refused = server["kernel_error"]
        message = (
            f"[bold red]kernel: {escape(refused)}[/]" if refused else escape(server["message"])
        )
        table.add_row(
            server["server"],
            _coloured(server["health"]),
            _coloured(server["admin"]) if server["admin"] != "ENABLED" else "",
            _weight(server),
            str(server["active_connections"]),
            str(server["inactive_connections"]),
            server["since"] or "-",
            message,
        )
    return table


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
        table.add_column(column, overflow="fold")
    return table
