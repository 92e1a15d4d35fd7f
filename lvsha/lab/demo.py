"""`lvsha demo`: the story of a pair of directors, played in the lab and shown here.

The story runs beside IPVS, in a guest where this kernel has none; its news come as lines of JSON.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from lvsha.errors import HostError
from lvsha.lab import guest
from lvsha.lab.picture import Lines, Picture, View

TIME_LIMIT = 600.0
"""Seconds for the whole story; it takes about 70 on an idle machine."""


def demo(*, plain: bool = False) -> int:
    """Play it; 0 when every step happened, 1 when one did not.

    A live picture on a terminal, lines elsewhere or when `plain`. Raises HostError where this
    machine has no root or no kernel with IPVS to lend.
    """
    if os.geteuid() != 0:
        raise HostError("demo: network namespaces need root")
    guest.end_in_order()
    where = "this kernel" if guest.host_has_ipvs() else "a user-mode Linux guest"
    sys.stdout.write(f"lvsha demo: in namespaces of {where}; it takes a minute or two\n")
    view: View = Lines() if plain or not sys.stdout.isatty() else Picture()
    audience = Audience(view)
    try:
        argv = [sys.executable, "-m", "lvsha.lab.scenario"]
        status = guest.run(argv, timeout=TIME_LIMIT, out=audience.hear, err=audience.overhear)
    finally:
        view.close()
    if audience.summary is None:
        said = audience.complaints.decode(errors="replace").strip()
        raise HostError("\n  ".join(["demo: it broke off", *said.splitlines()[-5:]]))
    _print_summary(audience.summary)
    return status


class Audience:
    """Puts the story's output together again, and keeps what matters at the end."""

    def __init__(self, view: View) -> None:
        self.summary: dict[str, Any] | None = None
        self.complaints = b""
        self._view = view
        self._unfinished = b""

    def hear(self, data: bytes) -> None:
        """Some of the story's stdout."""
        *lines, self._unfinished = (self._unfinished + data).split(b"\n")
        for line in lines:
            news = json.loads(line)
            if news["kind"] == "summary":
                self.summary = news
            self._view.show(news)

    def overhear(self, data: bytes) -> None:
        """Some of its stderr, wanted only if it breaks off."""
        self.complaints += data


def _print_summary(summary: dict[str, Any]) -> None:
    width = max(map(len, summary["facts"]))
    lines = (f"  {name:<{width}}  {value}" for name, value in summary["facts"].items())
    verdict = "every step happened" if summary["happened"] else "a step did not happen"
    sys.stdout.write("\n".join(["summary", *lines, verdict]) + "\n")
