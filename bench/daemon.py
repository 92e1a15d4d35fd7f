"""`python -m bench.daemon …`: the `lvsha` program on a kernel in memory, children included.

For machines whose kernel has no IPVS: every process, message and file is the daemon's own, only
the director's table is `kernel.memory`'s.
"""

from __future__ import annotations

import sys
from functools import partial
from unittest import mock

from lvsha.__main__ import main

PROGRAM = (sys.executable, "-m", "bench.daemon")


def run() -> None:
    """`lvsha` with the seams of this process replaced; its children come by this file again."""
    match sys.argv[1:2]:
        case ["director"]:
            from lvsha.director import process
            from lvsha.kernel.memory import MemoryIpvs

            director = partial(process.Director, open_ipvs=MemoryIpvs)
            with mock.patch.object(process, "Director", director):
                main()
        case ["run"]:
            from lvsha.cli import daemon

            supervisor = partial(daemon.Supervisor, program=PROGRAM)
            with (
                mock.patch.object(daemon, "load_ipvs"),
                mock.patch.object(daemon, "Supervisor", supervisor),
            ):
                main()
        case _:
            main()


if __name__ == "__main__":
    run()
