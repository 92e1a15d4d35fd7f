"""How a destination gets its places in a hash table that remembers the last weight above 0.

`mh` builds its table from each destination's last weight that was not 0; one added with weight 0
has none and gets no place (ip_vs_ctl.c, __ip_vs_update_dest), so the table would differ from
that of a director which saw the server alive. Added with its weight, and set to 0 at once, it
has its places.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from lvsha.core.commands import AddDestination, SetDestination, TableCommand
from lvsha.core.plan import VirtualService
from lvsha.core.types import DestinationKey, Key


def with_places(
    commands: Iterable[TableCommand], services: Mapping[Key, VirtualService]
) -> list[TableCommand]:
    """The commands, where a service keeps places with its additions of weight 0 in two steps."""
    steps: list[TableCommand] = []
    weights: dict[Key, Mapping[DestinationKey, int]] = {}
    for command in commands:
        match command:
            case AddDestination(key, destination) if destination.weight == 0:
                if key not in weights:
                    weights[key] = _weights(services.get(key))
                if weight := weights[key].get(destination.key, 0):
                    steps.append(AddDestination(key, replace(destination, weight=weight)))
                    steps.append(SetDestination(key, destination))
                    continue
        steps.append(command)
    return steps


def _weights(service: VirtualService | None) -> Mapping[DestinationKey, int]:
    """The file's, the same on every director; none where no places are kept."""
    if service is None or not service.keeps_places:
        return {}
    return {server.key: server.weight for server in service.servers}
