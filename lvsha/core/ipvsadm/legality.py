"""Which options a command takes, judged in the order of ipvsadm's own table."""

from __future__ import annotations

from collections.abc import Sequence, Set

from lvsha.core.ipvsadm.options import (
    JUDGED_AS,
    LEGALITY,
    NAMES,
    TUNNEL_LEGALITY,
    TUNNEL_NAMES,
    Legality,
)
from lvsha.core.ipvsadm.request import WordsError


def check_command(command: str, given: Set[str]) -> None:
    """Raises WordsError where the options given do not suit the command."""
    legality = LEGALITY[command]
    if not legality.plainly_allows(given):
        _check(legality, NAMES, given, f"'{JUDGED_AS.get(command, command)}' command")


def check_tunnel(tunnel: str, given: Set[str]) -> None:
    """Raises WordsError where the --tun-* options given do not suit the tunnel's type."""
    _check(TUNNEL_LEGALITY[tunnel], TUNNEL_NAMES, given, f"'{tunnel}' tunnel type")


def _check(legality: Legality, names: Sequence[str], given: Set[str], whose: str) -> None:
    chosen = ""
    for name in names:
        if name not in given:
            if name in legality.compulsory:
                raise WordsError(f"You need to supply the '{name}' option for the {whose}")
        elif name in legality.exclusive:
            if chosen:
                raise WordsError(
                    f"The option '{name}' conflicts with the '{chosen}' option in the {whose}"
                )
            chosen = name
        elif name not in legality.compulsory | legality.optional:
            raise WordsError(f"Illegal '{name}' option with the {whose}")
