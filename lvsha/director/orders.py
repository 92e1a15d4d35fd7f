"""What operators said of servers by `lvsha drain`, `enable`, `disable` and `weight`.

Kept in the runtime directory, so that a restart of the director forgets nothing. Servers are
named as in the file: an order goes with its server's last mention there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lvsha.core.balance import Order
from lvsha.core.health import Admin
from lvsha.core.plan import RealServer, VirtualService
from lvsha.director.state_file import StateFile

FILE_NAME = "orders.json"
NO_ORDER = Order()

Name = tuple[str, str]
"""Service and server, as an operator writes them."""


class Orders:
    """The orders in force, by service and server."""

    def __init__(self, runtime_dir: Path) -> None:
        self._file = StateFile(runtime_dir / FILE_NAME)
        self._orders: dict[Name, Order] = {}
        found = self._file.load()
        try:
            self._orders = dict(_understood(found["orders"])) if found is not None else {}
        except (KeyError, TypeError, ValueError) as error:
            self._file.reject(error)

    def of(self, service: VirtualService, server: RealServer) -> Order:
        if not self._orders:
            return NO_ORDER
        return self._orders.get((service.name, str(server)), NO_ORDER)

    def set(self, service: VirtualService, server: RealServer, order: Order) -> None:
        """Have this order from now on; kept before it is acted upon."""
        name = (service.name, str(server))
        if order == NO_ORDER:
            self._orders.pop(name, None)
        else:
            self._orders[name] = order
        self._save()

    def keep_only(self, services: Iterable[VirtualService]) -> None:
        """Forget what was said of servers that are no longer in the file."""
        if not self._orders:
            return
        named = {(service.name, str(each)) for service in services for each in service.servers}
        kept = {name: order for name, order in self._orders.items() if name in named}
        if kept != self._orders:
            self._orders = kept
            self._save()

    def _save(self) -> None:
        self._file.save({"orders": [_written(*item) for item in self._orders.items()]})


def _written(name: Name, order: Order) -> dict[str, Any]:
    service, server = name
    return {
        "service": service,
        "server": server,
        "admin": order.admin.value,
        "weight": order.weight,
    }


def _understood(found: Iterable[dict[str, Any]]) -> Iterator[tuple[Name, Order]]:
    for item in found:
        weight = item["weight"]
        if weight is not None and not isinstance(weight, int):
            raise TypeError(f"weight {weight!r} is not a number")
        yield (item["service"], item["server"]), Order(Admin(item["admin"]), weight)
