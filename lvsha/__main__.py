"""`python -m lvsha` and the `lvsha` program.

The daemon's children and the ipvsadm look-alike are sent on their way before the command-line
library is loaded: VRRP must start small, and a command line must answer at once.
"""

from __future__ import annotations

import gc
import sys

GARBAGE_THRESHOLD = 50_000
"""Values to make before garbage is looked for. Plans and tables are tens of thousands of values
and none of them garbage: looking through them took a third of the time it took to make them."""


def main() -> None:
    """Run the program with the process's own arguments."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    match sys.argv[1:2]:
        case ["vrrp" | "director"]:
            from lvsha.cli.children import main as child

            child(sys.argv[1:])
        case ["ipvsadm"]:
            from lvsha.cli.ipvsadm import main as ipvsadm

            sys.exit(ipvsadm(sys.argv[2:]))
        case _:
            from lvsha.cli.main import main as command

            command()


if __name__ == "__main__":
    main()
