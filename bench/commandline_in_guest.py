"""The part of `bench.commandline` that runs beside a real IPVS: prints seconds as JSON.

Both programs start from an empty table in a network namespace that never held another: the kernel
keeps deleted destinations for two minutes and looks through them whenever one is added.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from bench import clusters
from lvsha.lab.topology import Lab, Namespace

DESTINATIONS = 10_000
PROGRAMS = Path(sys.executable).parent
ONE = ("-a", "-t", "172.16.0.0:80", "-r", "192.0.2.1:80", "-m")
TIMES = 3


def main() -> None:
    with Lab() as lab:
        theirs, ours = lab.add("theirs", "ours")
        start = min(seconds(ours, sys.executable, "-c", "pass") for _ in range(TIMES))
        real = figures(theirs, "ipvsadm", "ipvsadm-restore")
        mine = figures(
            ours, str(PROGRAMS / "lvsha-ipvsadm"), str(PROGRAMS / "lvsha-ipvsadm-restore")
        )
        assert table(theirs) == table(ours)
    print(json.dumps({"start": start, "real": real, "ours": mine}))


def figures(machine: Namespace, program: str, restore: str) -> dict[str, float]:
    rules = clusters.rules(DESTINATIONS).encode()
    return {
        "restore": seconds(machine, restore, stdin=rules),
        "list": min(seconds(machine, program, "-ln") for _ in range(TIMES)),
        "add": seconds(machine, program, *ONE),
    }


def seconds(machine: Namespace, *argv: str, stdin: bytes = b"") -> float:
    with machine.entered():
        began = time.monotonic()
        subprocess.run(argv, input=stdin, stdout=subprocess.DEVNULL, check=True)
        return time.monotonic() - began


def table(machine: Namespace) -> str:
    return machine.run("ipvsadm-save", "-n")


if __name__ == "__main__":
    main()
