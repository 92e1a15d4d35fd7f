"""`lvsha vrrp` and `lvsha director`: started by the supervisor, with a channel to it."""

from __future__ import annotations

import argparse
from pathlib import Path


def main(words: list[str]) -> None:
    """Become the child the first word names."""
    parser = argparse.ArgumentParser(prog=f"lvsha {words[0]}", description=__doc__)
    parser.add_argument("--channel-fd", type=int, required=True)
    parser.add_argument("--cluster", required=True)
    parser.add_argument("--node", required=True)
    parser.add_argument("--runtime-dir", type=Path)
    given = parser.parse_args(words[1:])
    if words[0] == "vrrp":
        from lvsha.vrrp.process import main as vrrp

        vrrp(given.channel_fd, given.cluster, given.node)
    else:
        from lvsha.director.process import main as director

        director(given.channel_fd, given.cluster, given.node, given.runtime_dir)
