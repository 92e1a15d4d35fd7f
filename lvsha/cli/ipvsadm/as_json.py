"""`--json` on a listing: the same data as one JSON object."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, assert_never

from lvsha.core.ipvsadm import objects
from lvsha.core.ipvsadm.request import ListConnections, ListDaemons, ListTable, ListTimeouts

if TYPE_CHECKING:
    from lvsha.cli.ipvsadm.session import Session


def listed_as_json(
    session: Session, request: ListTable | ListConnections | ListTimeouts | ListDaemons
) -> str:
    """The text, indented. Raises what reading the kernel raises."""
    return json.dumps(_object(session, request), indent=2)


def _object(
    session: Session, request: ListTable | ListConnections | ListTimeouts | ListDaemons
) -> objects.Object:
    match request:
        case ListTable(layout, key):
            info = session.ipvs.info()
            return objects.table_object(session.entries(key, sort=layout.sort), info)
        case ListConnections():
            return objects.connections_object(session.connections())
        case ListTimeouts():
            return objects.timeouts_object(session.ipvs.timeouts())
        case ListDaemons():
            return objects.daemons_object(session.ipvs.daemons())
        case _:
            assert_never(request)
