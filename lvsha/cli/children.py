"""`lvsha vrrp` and `lvsha director`: started by the supervisor, with a channel to it."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from lvsha.runtime import logs


def main(words: list[str]) -> None:
    """Become the child the first word names."""
    for number in (signal.SIGINT, signal.SIGHUP):  # from a terminal: the supervisor's to act on
        signal.signal(number, signal.SIG_IGN)
    if "--channel-fd" not in words:
        print(f"lvsha: {words[0]}: is started by lvsha run, never by hand", file=sys.stderr)
        sys.exit(2)
    given = _parse(words)
    try:
        _become(words[0], given)
    except Exception as error:  # noqa: BLE001 - the supervisor starts another one
        logs.last_words({"cluster": given.cluster, "node": given.node}, words[0], error)
        sys.exit(1)


def _parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"lvsha {words[0]}", description=__doc__)
    parser.add_argument("--channel-fd", type=int, required=True)
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--node", required=True)
    parser.add_argument("--runtime-dir", type=Path)
    return parser.parse_args(words[1:])


def _become(name: str, given: argparse.Namespace) -> None:
    if name == "vrrp":
        from lvsha.vrrp.process import main as vrrp

        vrrp(given.channel_fd, given.cluster, given.node)
    else:
        from lvsha.director.process import main as director

        director(given.channel_fd, given.cluster, given.node, given.runtime_dir)
