"""`python -m bench [NAME …]`: measures everything, or what is named, and prints one table.

Verdicts are for people: the exit status says only whether everything could be measured and was
correct.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import time

from bench.figures import Figure, table
from lvsha.__main__ import GARBAGE_THRESHOLD

BENCHES = (
    "packing",
    "reconcile",
    "change",
    "questions",
    "checks",
    "https",
    "datagrams",
    "failures",
    "costs",
    "scale",
    "lateness",
    "failover",
    "routers",
    "memory",
    "commandline",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    names = parser.parse_args().names or BENCHES
    gc.set_threshold(GARBAGE_THRESHOLD)  # as the daemon's processes do
    found: list[Figure] = []
    for name in names:
        if name not in BENCHES:
            parser.error(f"no bench {name!r}: {', '.join(BENCHES)}")
        began = time.monotonic()
        print(f"measuring: {name}", end=" ", flush=True)
        found += importlib.import_module(f"bench.{name}").figures()
        print(f"({time.monotonic() - began:.0f} s)", flush=True)
    print(f"\n{table(found)}")


if __name__ == "__main__":
    main()
